// @ts-check
/** What a directive, a breaker or a question is about. */

import { html } from "../vendor/ui.js";

/** @param {Record<string, string | null> | null | undefined} scope */
export function scopeText(scope) {
  const parts = Object.entries(scope ?? {}).filter(([, value]) => value !== null && value !== "");
  return parts.length === 0 ? "everything" : parts.map(([name, value]) => `${name} ${value}`).join(", ");
}

/** @param {{scope: Record<string, string | null>}} props */
export function ScopeMarks({ scope }) {
  const parts = Object.entries(scope ?? {}).filter(([, value]) => value !== null && value !== "");
  if (parts.length === 0) return html`<b class="scope-all">everything</b>`;
  return html`<span class="scope">${parts.map(([name, value]) => html`<span key=${name} class="scope-part"><i>${name}</i>${value}</span>`)}</span>`;
}
