// @ts-check
/** The kill switch and its milder sisters: what, why, how long, and whether really. */

import { html, useSignal } from "../../vendor/ui.js";
import { post } from "../api.js";
import { Sheet } from "../sheet.js";

const WHATS = { agent: "An agent", service: "A service", model: "A model", tool: "A tool", entity: "A mission or other entity, by id", everything: "Everything of this tenant" };
/** Pairs, not an object: that would put the numbers first. */
const TIMES = [["", "Until somebody lifts it"], ["300000", "5 minutes"], ["3600000", "1 hour"], ["86400000", "1 day"]];

/** @type {Record<string, {title: string, verb: string, means: string, says: any}>} */
const ACTIONS = {
  "": { title: "", verb: "", means: "", says: "" },
  kill: { title: "Kill switch", verb: "Kill", means: "kill", says: html`<strong class="bad">Stops everything in the scope</strong>, running work included. Agents with a gate are told at once.` },
  suspend: { title: "Suspend", verb: "Suspend", means: "suspend", says: "Nothing in the scope may begin; what runs may finish." },
  open: { title: "Open a circuit", verb: "Open it", means: "refuse calls of", says: "Calls in the scope are refused until somebody closes the circuit, which gets a card of its own." },
};

/** @param {{action: "" | "kill" | "suspend" | "open", onClose: () => void}} props */
export function StopForm({ action, onClose }) {
  const what = useSignal("agent");
  const problem = useSignal("");
  const kills = action === "kill";
  const { title, verb, means, says } = /** @type {{title: string, verb: string, means: string, says: any}} */ (ACTIONS[action]);

  function close() {
    problem.value = "";
    onClose();
  }

  /** @param {SubmitEvent} event */
  async function submitted(event) {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    const value = String(form.get("value") ?? "").trim();
    const ttl = Number(form.get("ttl"));
    const target = what.value === "everything" ? { everything: true } : what.value === "entity" ? { entity_id: value } : { scope: { [what.value]: value } };
    try {
      await post(`reflex/${action}`, { ...target, reason: String(form.get("reason")).trim(), ...(ttl > 0 ? { ttl_ms: ttl } : {}) });
      close();
    } catch (failed) {
      problem.value = failed instanceof Error ? failed.message : String(failed);
    }
  }

  return html`
    <${Sheet} open=${action !== ""} title=${title} onClose=${close}>
      <form class="form" onSubmit=${submitted}>
        <p>${says}</p>
        <label>What<select name="what" value=${what.value} onChange=${(/** @type {any} */ event) => (what.value = event.target.value)}>
          ${Object.entries(WHATS).map(([name, text]) => html`<option key=${name} value=${name}>${text}</option>`)}</select></label>
        ${what.value !== "everything" && html`<label>${what.value === "entity" ? "Id" : "Name"}<input name="value" required maxlength="200" autocomplete="off" spellcheck="false" placeholder=${what.value === "entity" ? "m_…" : ""} /></label>`}
        <label>Reason<input name="reason" required maxlength="1000" autocomplete="off" /></label>
        ${action !== "open" && html`<label>For how long<select name="ttl">${TIMES.map(([ms, text]) => html`<option key=${ms} value=${ms}>${text}</option>`)}</select></label>`}
        <label class="tick"><input type="checkbox" required name="sure" /> I mean it: ${means} ${what.value === "everything" ? "everything" : `this ${what.value}`}</label>
        ${problem.value && html`<p class="sign-in-problem" role="alert">${problem.value}</p>`}
        <p class="sheet-actions"><button type="submit" class=${kills ? "primary danger" : "primary"}>${verb}</button><button type="button" onClick=${close}>Leave it</button></p>
      </form>
    <//>
  `;
}
