// @ts-check
/** A mission's events with their proofs, to take along; checked here as whoever gets it would check it. */

import { html, useEffect, useSignal } from "../../vendor/ui.js";
import { getText } from "../api.js";
import { save } from "../export.js";
import { count } from "../format.js";
import { Panel } from "../panel.js";
import { adjust, place } from "../route.js";
import { canCheck, checkBundle } from "./bundle-check.js";

export function MissionBundle() {
  const mission = place.value.query.get("mission") ?? "";
  const text = useSignal("");
  const found = useSignal(/** @type {import("./bundle-check.js").Found | null} */ (null));
  const problem = useSignal("");
  const busy = useSignal("");

  useEffect(() => {
    text.value = "";
    found.value = null;
    problem.value = "";
  }, [mission]);

  /** @param {SubmitEvent} event */
  async function submitted(event) {
    event.preventDefault();
    const wanted = String(new FormData(/** @type {HTMLFormElement} */ (event.currentTarget)).get("mission") ?? "").trim();
    adjust({ mission: wanted });
    problem.value = "";
    found.value = null;
    text.value = "";
    try {
      busy.value = "The server gathers the events and their proofs…";
      const bundle = await getText(`audit/export?mission_id=${encodeURIComponent(wanted)}`);
      if (canCheck()) {
        found.value = await checkBundle(bundle, (done, all) => (busy.value = `Checked ${count(done)} of ${count(all)} lines…`));
        if (found.value.events.length === 0) throw new Error(`the archive holds no event of ${wanted}`);
      }
      text.value = bundle;
    } catch (failed) {
      problem.value = failed instanceof Error ? failed.message : String(failed);
    }
    busy.value = "";
  }

  return html`
    <${Panel} name="bundle" title="Mission bundle" class="whole" note="every event of a mission, with what it takes to believe it">
      <form class="form bundle" onSubmit=${submitted}>
        <label>Mission<input name="mission" required pattern="m_[A-Za-z0-9._\\-]{1,64}" placeholder="m_…" spellcheck="false" autocomplete="off" defaultValue=${mission} /></label>
        <p class="sheet-actions">
          <button type="submit" class="primary" disabled=${busy.value !== ""}>Make the bundle</button>
          <button type="button" disabled=${text.value === ""} onClick=${() => save(`neurorail-bundle-${mission}.jsonl`, "application/x-ndjson", text.value)}>Download (JSON Lines)</button>
        </p>
        ${busy.value && html`<p role="status">${busy.value}</p>`}
        ${problem.value && html`<p class="sign-in-problem" role="alert">${problem.value}</p>`}
        <${Verdict} found=${found.value} made=${text.value !== ""} />
        <p class="faint">The file proves what is in it, to anybody, without this server: <code>python verify_bundle.py FILE PUBLIC_KEY</code>. It tells nothing of other missions but hashes. Events after the newest checkpoint are in it, and not signed yet.</p>
      </form>
    <//>
  `;
}

/** @param {{found: import("./bundle-check.js").Found | null, made: boolean}} props */
function Verdict({ found, made }) {
  if (!made) return null;
  if (found === null) return html`<p role="status">Made. This page came neither over TLS nor from loopback, so that this browser cannot check it.</p>`;
  if (found.faults.length > 0) {
    return html`<div role="alert" data-bundle="broken"><p><strong class="bad">The bundle does not hold.</strong></p><ul>${found.faults.map((fault) => html`<li key=${fault}>${fault}</li>`)}</ul></div>`;
  }
  const verdict = verdictOf(found);
  return html`
    <p role="status" data-bundle=${verdict.name} data-proven=${found.proven} data-unproven=${found.unproven}>
      <strong class=${verdict.name === "holds" ? "good" : ""}>${verdict.says}</strong> ${count(found.proven)} of ${count(found.events.length)} events proven, ${count(found.unproven)} not signed yet, ${count(found.erased)} with erased details.
      ${found.checkpoints.length > 0 && html`<br />The bundle names the public key <code>${found.checkpoints[0].public_key}</code>.`}
    </p>
  `;
}

/** What may be said of a bundle that nothing contradicts. @param {import("./bundle-check.js").Found} found */
function verdictOf(found) {
  if (found.signatures === "unable") return { name: "unable", says: "Not proven here: this browser knows no Ed25519, so that no signature was checked." };
  if (found.unproven > 0) return { name: "unsigned", says: "Not proven yet: the next checkpoint signs what is not signed. Make the bundle again after it." };
  return { name: "holds", says: "Every event is proven, if the public key is the one that you know." };
}
