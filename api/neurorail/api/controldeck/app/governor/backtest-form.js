// @ts-check
/** Asks for a backtest: which manifest, over which history, beside what. */

import { html, useSignal } from "../../vendor/ui.js";
import { post } from "../api.js";
import { GOVERNOR } from "../reading.js";
import { Sheet } from "../sheet.js";

const TEXT = " text";
const RANGES = { "-1h": "The last hour", "-1d": "The last day", "-7d": "The last 7 days", "-30d": "The last 30 days", "": "Everything that is stored", between: "Between two times" };

/** @param {{open: boolean, manifests: any, onClose: () => void, onMade: () => void}} props */
export function BacktestForm({ open, manifests, onClose, onMade }) {
  const which = useSignal(TEXT);
  const range = useSignal("-7d");
  const source = useSignal("");
  const problem = useSignal("");
  const busy = useSignal(false);
  const versions = [...(manifests?.manifests ?? [])].reverse();
  const active = manifests?.active.version ?? "…";

  /** @param {SubmitEvent} event */
  async function submitted(event) {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    const against = String(form.get("against"));
    busy.value = true;
    try {
      await post(`${GOVERNOR}backtests`, {
        ...(which.value === TEXT ? { source: source.value } : { version: which.value }),
        ...(against === "" ? {} : { against: { version: against } }),
        ...times(form),
      });
      problem.value = "";
      onMade();
      onClose();
    } catch (failed) {
      problem.value = failed instanceof Error ? failed.message : String(failed);
    }
    busy.value = false;
  }

  /** @param {FormData} form */
  function times(form) {
    if (range.value !== "between") return range.value === "" ? {} : { since: range.value };
    return Object.fromEntries(["since", "until"].filter((name) => form.get(name)).map((name) => [name, new Date(String(form.get(name))).toISOString()]));
  }

  /** @param {any} event */
  async function chosen(event) {
    const file = event.target.files?.[0];
    if (file) source.value = await file.text();
  }

  return html`
    <${Sheet} open=${open} title="New backtest" onClose=${onClose} wide>
      <form class="form" onSubmit=${submitted}>
        <p>Runs stored history under a manifest, in a process beside the server: nobody is refused anything. Who asked is on record.</p>
        <label>Manifest<select name="manifest" value=${which.value} onChange=${(/** @type {any} */ event) => (which.value = event.target.value)}>
          <option value=${TEXT}>A text, below</option>
          ${versions.map((/** @type {any} */ each) => html`<option key=${each.version} value=${each.version}>${each.version} (${each.name}, ${each.state})</option>`)}
          <option value="active">${active}, the one in force</option></select></label>
        ${which.value === TEXT && html`
          <label>YAML file<input type="file" accept=".yaml,.yml" onChange=${chosen} /></label>
          <label>or as text<textarea name="source" required rows="12" spellcheck="false" value=${source.value} onInput=${(/** @type {any} */ event) => (source.value = event.target.value)}></textarea></label>`}
        <label>Against<select name="against">
          <option value="">What was active at the time</option>
          <option value="active">${active}, the one in force</option>
          ${versions.map((/** @type {any} */ each) => html`<option key=${each.version} value=${each.version}>${each.version} (${each.name}, ${each.state})</option>`)}</select></label>
        <label>History<select name="range" value=${range.value} onChange=${(/** @type {any} */ event) => (range.value = event.target.value)}>
          ${Object.entries(RANGES).map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}</select></label>
        ${range.value === "between" && html`
          <label>Received from<input type="datetime-local" name="since" /></label>
          <label>Received before<input type="datetime-local" name="until" /></label>`}
        ${problem.value && html`<p class="sign-in-problem" role="alert">${problem.value}</p>`}
        <p class="sheet-actions"><button type="submit" class="primary" disabled=${busy.value}>Run it</button><button type="button" onClick=${onClose}>Leave it</button></p>
      </form>
    <//>
  `;
}
