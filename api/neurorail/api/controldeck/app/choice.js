// @ts-check
/** What a reader chose about the page, remembered by the browser where it may. */

import { signal } from "../vendor/ui.js";

/**
 * @template {string} T
 * @param {string} name @param {readonly T[]} options the first is the default
 * @returns {{value: T, readonly next: () => void}} a signal-like; `next` goes round
 */
export function choice(name, options) {
  const key = `controldeck.${name}`;
  const held = signal(remembered(key, options));
  return {
    get value() {
      return held.value;
    },
    set value(wanted) {
      held.value = wanted;
      try {
        localStorage.setItem(key, wanted);
      } catch {
        // Not remembered then.
      }
    },
    next() {
      this.value = /** @type {T} */ (options[(options.indexOf(held.value) + 1) % options.length]);
    },
  };
}

/**
 * @template {string} T
 * @param {string} key @param {readonly T[]} options @returns {T}
 */
function remembered(key, options) {
  const first = /** @type {T} */ (options[0]);
  try {
    const kept = /** @type {T} */ (localStorage.getItem(key));
    return options.includes(kept) ? kept : first;
  } catch {
    return first; // Storage may be forbidden; the page works without.
  }
}

/** Dark or light: the system's choice until the reader makes one. */
export const scheme = choice("scheme", /** @type {const} */ (["system", "dark", "light"]));

/** In which time zone moments are written. */
export const zone = choice("zone", /** @type {const} */ (["local", "UTC"]));
