// @ts-check
/** Keys that work on every page. */

import { signal } from "../vendor/ui.js";
import { PAGES } from "./pages.js";
import { go, link } from "./route.js";

export const helpOpen = signal(false);
/** When `g` was pressed: the next key names a page, if it comes soon. */
let going = -Infinity;
const GO_MS = 1500;

/** @param {EventTarget | null} target */
const typing = (target) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  // What is open is left first.
  if (document.querySelector("dialog[open]")) return;
  // When they were pressed, which a busy page hears of later.
  const page = event.timeStamp - going < GO_MS ? PAGES.find((each) => each.key === event.key) : undefined;
  going = -Infinity;
  if (page) go(link(page.path));
  else if (event.key === "g") going = event.timeStamp;
  else if (event.key === "?") helpOpen.value = true;
  else if (event.key === "/") /** @type {HTMLElement | null} */ (document.querySelector("main input[type=search]"))?.focus();
  else if (event.key === "p") /** @type {HTMLElement | null} */ (document.querySelector("[data-action=pause]"))?.click();
  else return;
  event.preventDefault();
}

export const listenForKeys = () => addEventListener("keydown", pressed);
