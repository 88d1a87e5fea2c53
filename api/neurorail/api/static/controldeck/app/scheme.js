// @ts-check
/** Dark or light: the system's choice until the reader makes one. */

import { signal } from "../vendor/ui.js";

/** @typedef {"system" | "dark" | "light"} Scheme */
const KEY = "controldeck.scheme";
const ORDER = /** @type {Scheme[]} */ (["system", "dark", "light"]);

export const scheme = signal(remembered());

/** @returns {Scheme} */
function remembered() {
  try {
    const kept = /** @type {Scheme} */ (localStorage.getItem(KEY));
    return ORDER.includes(kept) ? kept : "system";
  } catch {
    return "system"; // Storage may be forbidden; the page works without.
  }
}

export function applyScheme() {
  const root = document.documentElement;
  if (scheme.value === "system") delete root.dataset.scheme;
  else root.dataset.scheme = scheme.value;
}

export function nextScheme() {
  scheme.value = ORDER[(ORDER.indexOf(scheme.value) + 1) % ORDER.length] ?? "system";
  applyScheme();
  try {
    localStorage.setItem(KEY, scheme.value);
  } catch {
    // Not remembered then.
  }
}
