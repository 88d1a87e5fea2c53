// @ts-check
/** What a directive, a breaker or a question is about. */

import { html } from "../vendor/ui.js";
import { shortId } from "./format.js";

/** @param {Record<string, string | null> | null | undefined} scope */
export function scopeText(scope) {
  const parts = partsOf(scope);
  return parts.length === 0 ? "everything" : parts.map(([name, value]) => `${name} ${value}`).join(", ");
}

/** @param {{scope: Record<string, string | null>}} props */
export function ScopeMarks({ scope }) {
  const parts = partsOf(scope);
  if (parts.length === 0) return html`<b class="scope-all">everything</b>`;
  return html`<span class="scope">${parts.map(([name, value]) => html`<span key=${name} class="scope-part" title=${value}><i>${name}</i>${shortId(value)}</span>`)}</span>`;
}

/** Names and values; an entity is one of them. @param {Record<string, string | null> | null | undefined} scope @returns {[string, string][]} */
function partsOf(scope) {
  const { entity_type: type, entity_id: id, ...rest } = scope ?? {};
  const named = /** @type {[string, string][]} */ (Object.entries(rest).filter(([, value]) => value !== null && value !== ""));
  return id ? [[type || "entity", id], ...named] : named;
}
