// @ts-check
/** What an entity has used of each of its limits. */

import { html } from "../../vendor/ui.js";
import { elapsed } from "../entity.js";
import { count, duration, money, percent } from "../format.js";
import { now } from "../store.js";

/**
 * @typedef {import("../entity.js").Entity} Entity
 * @typedef {{kind: string, used: number, limit: number, text: string, of: string, left: string, share: number, broken?: object}} Use
 */

/** Each limit of an entity with what is used of it; parallelism is of a moment and is left out. @param {Entity} entity @param {number} nowMs @returns {Use[]} */
export function usesOf(entity, nowMs) {
  const { budget } = entity;
  if (!budget) return [];
  /** @type {[string, number | null | undefined, number, (value: number) => string][]} */
  const all = [
    ["tokens", budget.max_tokens, entity.inputTokens + entity.outputTokens, count],
    ["input tokens", budget.max_input_tokens, entity.inputTokens, count],
    ["output tokens", budget.max_output_tokens, entity.outputTokens, count],
    ["cost", budget.max_cost_usd, entity.costUsd, money],
    ["time", budget.timeout_ms, elapsed(entity, nowMs) ?? 0, duration],
    ["retries", budget.max_retries, entity.retries, count],
    ["tool calls", budget.max_tool_calls, entity.toolCalls, count],
    ["model calls", budget.max_model_calls, entity.modelCalls, count],
  ];
  return all.flatMap(([kind, limit, used, write]) =>
    limit === null || limit === undefined
      ? []
      : [{ kind, used, limit, text: write(used), of: write(limit), left: write(Math.max(0, limit - used)), share: limit > 0 ? used / limit : used > 0 ? Infinity : 0 }],
  );
}

/** @param {number} share */
export const levelOf = (share) => (share > 1 ? "over" : share >= 0.8 ? "near" : "well");

/** @param {{entity: Entity}} props */
export function BudgetUse({ entity }) {
  const uses = usesOf(entity, now.value);
  if (uses.length === 0) return html`<p class="faint">No limit but parallelism.</p>`;
  return html`
    <ul class="uses">
      ${uses.map((use) => html`<${UseBar} key=${use.kind} use=${use} />`)}
    </ul>
  `;
}

/** A click on a row, not on what is to be clicked in it. @param {() => void} [onOpen] */
export const beside = (onOpen) => onOpen && ((/** @type {any} */ event) => event.target.closest("a, button") === null && onOpen());

/** The numbers of a row as the button that opens its burn-down. @param {{what: string, onOpen: () => void, children?: any}} props */
export function Opener({ what, onOpen, children }) {
  return html`<button type="button" class="use-open" aria-haspopup="dialog" onClick=${onOpen}><span class="unseen">Burn-down of ${what}: </span>${children}</button>`;
}

/** @param {{use: Use, label?: any, foot?: any, what?: string, onOpen?: () => void}} props foot: a line below the bar, what: is opened by `onOpen` */
export function UseBar({ use, label, foot, what = use.kind, onOpen }) {
  const numbers = html`${use.text} <span class="faint">of ${use.of}</span>`;
  const width = Math.min(100, use.share * 100);
  return html`
    <li class="use" data-level=${use.broken ? "over" : levelOf(use.share)} data-kind=${use.kind} data-opens=${onOpen !== undefined} onClick=${beside(onOpen)}>
      <span class="use-name">${label ?? use.kind}</span>
      <span class="use-text">${onOpen ? html`<${Opener} what=${what} onOpen=${onOpen}>${numbers}<//>` : numbers}</span>
      <b class="use-share">${Number.isFinite(use.share) ? percent(use.share) : "over"}</b>
      <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="use-rail" width="100" height="4" /><rect class="use-run" width=${width} height="4" /></svg>
      ${foot && html`<span class="use-foot">${foot}</span>`}
    </li>
  `;
}
