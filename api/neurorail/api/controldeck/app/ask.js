// @ts-check
/** Asks before something is done that others feel: why, and whether really. */

import { html, signal, useSignal } from "../vendor/ui.js";
import { Sheet } from "./sheet.js";

/**
 * @typedef {object} Question
 * @property {string} title
 * @property {any} says what will happen
 * @property {string} verb of the button
 * @property {boolean} [danger]
 * @property {boolean} [mustReason] a reason must be given
 * @property {{name: string, text: string}} [option] something to tick besides
 * @property {(reason: string, option: boolean) => Promise<any>} act rejects with a sentence
 */

const open = signal(/** @type {Question | null} */ (null));

/** @param {Question} question */
export function ask(question) {
  open.value = question;
}

export function AskSheet() {
  const question = open.value;
  const problem = useSignal("");
  const busy = useSignal(false);

  function close() {
    open.value = null;
    problem.value = "";
    busy.value = false;
  }

  /** @param {SubmitEvent} event */
  async function submitted(event) {
    event.preventDefault();
    if (!question) return;
    const form = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    busy.value = true;
    try {
      await question.act(String(form.get("reason") ?? "").trim(), form.get("option") !== null);
      // Somebody may have left it meanwhile, and be at the next question.
      if (open.value === question) close();
    } catch (failed) {
      if (open.value !== question) return;
      problem.value = failed instanceof Error ? failed.message : String(failed);
      busy.value = false;
    }
  }

  return html`
    <${Sheet} open=${question !== null} title=${question?.title ?? ""} onClose=${close}>
      ${question && html`
        <form class="form" onSubmit=${submitted}>
          <div>${question.says}</div>
          <label>Reason${question.mustReason ? "" : " (optional)"}<input name="reason" maxlength="1000" required=${question.mustReason} autocomplete="off" /></label>
          ${question.option && html`<label class="tick"><input type="checkbox" name="option" /> ${question.option.text}</label>`}
          ${problem.value && html`<p class="sign-in-problem" role="alert">${problem.value}</p>`}
          <p class="sheet-actions">
            <button type="submit" class=${question.danger ? "primary danger" : "primary"} disabled=${busy.value}>${question.verb}</button>
            <button type="button" onClick=${close}>Leave it</button>
          </p>
        </form>`}
    <//>
  `;
}
