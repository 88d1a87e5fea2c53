// @ts-check
/** A text that takes effect once it is finished: what is being typed stays, whatever the page draws anew meanwhile. */

import { batch, html, useSignal } from "../vendor/ui.js";

/** @param {{value: string, onDone: (text: string) => void, [attribute: string]: any}} props `value`: what is in effect */
export function Draft({ value, onDone, ...attributes }) {
  const typed = useSignal(/** @type {string | null} */ (null));

  /** @param {any} event */
  function finished(event) {
    batch(() => {
      typed.value = null;
      onDone(event.target.value);
    });
  }
  return html`<input type="search" spellcheck="false" ...${attributes} value=${typed.value ?? value}
    onInput=${(/** @type {any} */ event) => (typed.value = event.target.value)} onChange=${finished} onBlur=${() => (typed.value = null)} />`;
}
