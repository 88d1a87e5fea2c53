// @ts-check
/** Which page is open and what it shows: all of it in the address, so that everything can be linked to. */

import { signal } from "../vendor/ui.js";
import { HOME } from "./home.js";

const BASE = HOME.pathname;

/** @typedef {{page: string, query: URLSearchParams}} Place */

/** @returns {Place} */
function read() {
  const below = location.pathname.startsWith(BASE) ? location.pathname.slice(BASE.length) : "";
  return { page: below.replace(/\/$/, ""), query: new URLSearchParams(location.search) };
}

export const place = signal(read());

/** The address of a page. @param {string} page @param {Record<string, string>} [query] empty values are left out */
export function link(page, query = {}) {
  const kept = Object.entries(query).filter(([, value]) => value !== "");
  const text = new URLSearchParams(kept).toString();
  return BASE + page + (text === "" ? "" : `?${text}`);
}

/** The address of a mission's trace, with one of its entities in focus. @param {string} mission @param {string} [entity] */
export const traceLink = (mission, entity = "") =>
  link("trace", { mission, entity: entity === mission ? "" : entity });

/** @param {string} address */
export function go(address) {
  history.pushState(null, "", address);
  place.value = read();
}

/** Changes part of what the page shows, without a step in the history. @param {Record<string, string>} changes */
export function adjust(changes) {
  const { page, query } = place.value;
  const next = { ...Object.fromEntries(query), ...changes };
  history.replaceState(null, "", link(page, next));
  place.value = read();
}

/**
 * What a reader chose of a few, in the address; the first stands where the address names none of them.
 * @template {string} T
 * @param {string} name @param {readonly T[]} options @returns {{value: T}} a signal-like
 */
export function inAddress(name, options) {
  const first = /** @type {T} */ (options[0]);
  return {
    get value() {
      return options.find((option) => option === place.value.query.get(name)) ?? first;
    },
    set value(wanted) {
      adjust({ [name]: wanted === first ? "" : wanted });
    },
  };
}

/** Links between pages change the page in place, so that its connection and its data stay. */
export function followAddress() {
  addEventListener("popstate", () => (place.value = read()));
  addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const anchor = event.target instanceof Element ? event.target.closest("a") : null;
    if (!anchor || anchor.target || anchor.hasAttribute("download") || anchor.origin !== location.origin) return;
    if (!anchor.pathname.startsWith(BASE)) return;
    event.preventDefault();
    if (anchor.href !== location.href) go(anchor.href);
  });
}
