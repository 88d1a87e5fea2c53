// @ts-check
/** Asks for a key. */

import { html, useEffect, useSignal } from "../vendor/ui.js";
import { Mark } from "./mark.js";
import { place } from "./route.js";
import { ended, refusal, session, signIn, signInAddress, signInMethods } from "./session.js";

/** The page that is open, with its filters. */
const backTo = () => `${place.value.page}${location.search}`;

/** @param {string} text as the server says it */
const sentence = (text) => (text === "" ? "" : `The server says: ${text}${/[.!?]$/.test(text) ? "" : "."}`);

export function SignIn() {
  const busy = useSignal(false);
  const provider = useSignal("");
  const out = session.value === "out";
  useEffect(() => {
    if (out) void signInMethods().then(({ oidc }) => (provider.value = oidc?.name ?? ""));
  }, [out]);

  /** @param {SubmitEvent} event */
  async function submitted(event) {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    const key = String(new FormData(form).get("key") ?? "");
    busy.value = true;
    await signIn(key);
    busy.value = false;
  }

  if (session.value === "asking") {
    return html`<main class="sign-in"><p class="panel sign-in-box" role="status">Asking the server who you are…</p></main>`;
  }
  return html`
    <main class="sign-in">
      <form class="panel sign-in-box" onSubmit=${submitted}>
        <p class="brand"><${Mark} /><span class="brand-name">NeuroRail</span></p>
        <h1>${ended.value ? "Sign in again" : "Sign in"}</h1>
        ${ended.value
          ? html`<p class="sign-in-over" role="alert" data-session="over"><strong>Your session is over.</strong> ${sentence(refusal.value)} The page that was open comes back as it was, filters and all.</p>`
          : refusal.value && html`<p class="sign-in-problem" role="alert">${refusal.value}</p>`}
        ${provider.value && html`
          <a class="button primary" data-provider=${provider.value} href=${signInAddress(backTo())}>Sign in with ${provider.value}</a>
          <p class="or faint">or with a key</p>`}
        <label for="key">Key</label>
        <input id="key" name="key" type="password" required autocomplete="current-password" placeholder="nrk_…" spellcheck="false" autofocus
          aria-describedby="key-help" aria-invalid=${refusal.value !== "" && !ended.value} />
        <button type="submit" class=${provider.value ? "" : "primary"} disabled=${busy.value}>${busy.value ? "Asking…" : "Sign in"}</button>
        <p id="key-help" class="faint">Shown to this server once; then a cookie stands for it, for twelve hours. Whoever runs the server makes one with <code>neurorail keys create --role viewer</code>.</p>
      </form>
    </main>
  `;
}
