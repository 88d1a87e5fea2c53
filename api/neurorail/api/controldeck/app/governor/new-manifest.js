// @ts-check
/** Makes a draft out of YAML; every fault is said with its place. */

import { html, useSignal } from "../../vendor/ui.js";
import { post } from "../api.js";
import { GOVERNOR } from "../reading.js";
import { Sheet } from "../sheet.js";

/** @param {{open: boolean, onClose: () => void}} props */
export function NewManifest({ open, onClose }) {
  const problem = useSignal("");
  const source = useSignal("");

  /** @param {SubmitEvent} event */
  async function submitted(event) {
    event.preventDefault();
    try {
      await post(`${GOVERNOR}manifests`, { source: source.value });
      problem.value = "";
      onClose();
    } catch (failed) {
      problem.value = failed instanceof Error ? failed.message : String(failed);
    }
  }

  /** @param {any} event */
  async function chosen(event) {
    const file = event.target.files?.[0];
    if (file) source.value = await file.text();
  }

  return html`
    <${Sheet} open=${open} title="New manifest" onClose=${onClose} wide>
      <form class="form" onSubmit=${submitted}>
        <label>YAML file<input type="file" accept=".yaml,.yml" onChange=${chosen} /></label>
        <label>or as text<textarea name="source" required rows="22" spellcheck="false" value=${source.value} onInput=${(/** @type {any} */ event) => (source.value = event.target.value)}></textarea></label>
        ${problem.value && html`<p class="sign-in-problem" role="alert">${problem.value}</p>`}
        <p class="sheet-actions"><button type="submit" class="primary">Make a draft</button><button type="button" onClick=${onClose}>Leave it</button></p>
      </form>
    <//>
  `;
}
