// @ts-check
/** Makes a key and shows it this once. */

import { html, useSignal } from "../../vendor/ui.js";
import { post } from "../api.js";
import { beginSession, signedIn, signIn } from "../session.js";
import { Sheet } from "../sheet.js";

const KINDS = { viewer: "Viewer: reads everything", operator: "Operator: acts on missions and rules", admin: "Admin: everything, keys too", agent: "Agent: telemetry and decisions" };
/** Days; pairs, not an object: that would put the numbers first. */
const EXPIRIES = [["", "Does not expire"], ["1", "1 day"], ["30", "30 days"], ["90", "90 days"], ["365", "1 year"]];
const DAY_MS = 86_400_000;

/** @param {{open: boolean, onClose: () => void, onMade: () => void}} props */
export function KeyForm({ open, onClose, onMade }) {
  const made = useSignal("");
  const problem = useSignal("");
  const copied = useSignal(false);

  function close() {
    made.value = "";
    problem.value = "";
    copied.value = false;
    onClose();
  }

  /** @param {SubmitEvent} event */
  async function submitted(event) {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    const kind = String(form.get("kind"));
    const days = Number(form.get("expires"));
    const wish = {
      name: String(form.get("name")),
      ...(kind === "agent" ? { agent: true } : { role: kind }),
      ...(days > 0 ? { expires_at: new Date(Date.now() + days * DAY_MS).toISOString() } : {}),
    };
    try {
      // The first key closes an open server; an admin stays in by using it.
      await beginSession(async () => {
        const answer = await post("rbac/keys", wish);
        made.value = answer.key;
        problem.value = "";
        if (!signedIn() && kind === "admin") await signIn(answer.key);
      });
      onMade();
    } catch (failed) {
      problem.value = failed instanceof Error ? failed.message : String(failed);
    }
  }

  return html`
    <${Sheet} open=${open} title="New key" onClose=${close}>
      ${made.value
        ? html`
          <div class="form">
            <p><strong>This is the key. It is not shown again.</strong></p>
            <output class="secret" data-secret>${made.value}</output>
            <p class="sheet-actions">
              <button type="button" class="primary" onClick=${() => navigator.clipboard.writeText(made.value).then(() => (copied.value = true))}>${copied.value ? "Copied" : "Copy"}</button>
              <button type="button" onClick=${close}>Done</button>
            </p>
          </div>`
        : html`
          <form class="form" onSubmit=${submitted}>
            <label>Name<input name="name" required maxlength="200" placeholder="what it is for" /></label>
            <label>It may<select name="kind">${Object.entries(KINDS).map(([kind, text]) => html`<option key=${kind} value=${kind}>${text}</option>`)}</select></label>
            <label>Expires<select name="expires">${EXPIRIES.map(([days, text]) => html`<option key=${days} value=${days}>${text}</option>`)}</select></label>
            ${!signedIn() && html`<p class="faint">The first key closes this server for everybody without one. Make an admin key first.</p>`}
            ${problem.value && html`<p class="sign-in-problem" role="alert">${problem.value}</p>`}
            <p class="sheet-actions"><button type="submit" class="primary">Make it</button><button type="button" onClick=${close}>Leave it</button></p>
          </form>`}
    <//>
  `;
}
