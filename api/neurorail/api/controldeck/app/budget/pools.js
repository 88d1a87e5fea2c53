// @ts-check
/** Pools of the manifest in force: what of each window is consumed, held and left, and when it runs out. */

import { html } from "../../vendor/ui.js";
import { time } from "../entity.js";
import { count, duration, money, percent } from "../format.js";
import { Nothing } from "../panel.js";
import { now } from "../store.js";
import { Opener, beside, levelOf } from "../trace/budget-use.js";

/**
 * @typedef {{name: string, kind: string, limit: number, consumed: number, held: number, left: number, share: number,
 *   begins: number | null, ends: number | null, rolling: number | null}} PoolUse
 */

const LABELS = new Set(["begins_at", "ends_at", "rolling_ms", "open_reservations", "limits"]);

/** Every limit of every pool, the fullest first. @param {any} answer of `budgets` @returns {PoolUse[]} */
export function poolUses(answer) {
  return (answer?.budgets ?? []).flatMap((/** @type {any} */ scope) => {
    const name = Object.entries(scope).filter(([key, value]) => !LABELS.has(key) && value !== null && typeof value !== "object").map(([, value]) => value).join(" · ");
    return scope.limits.map((/** @type {any} */ each) => ({
      name, kind: each.kind, limit: Number(each.limit), consumed: Number(each.consumed), held: Number(each.held ?? 0), left: Number(each.left),
      share: Number(each.limit) > 0 ? (Number(each.consumed) + Number(each.held ?? 0)) / Number(each.limit) : 0,
      begins: time(scope.begins_at), ends: time(scope.ends_at), rolling: scope.rolling_ms,
    }));
  }).sort((/** @type {PoolUse} */ a, /** @type {PoolUse} */ b) => b.share - a.share);
}

/** @param {PoolUse} use @param {number} value */
const written = (use, value) => (use.kind.startsWith("cost") ? money(value) : use.kind === "time" || use.kind.endsWith("_ms") ? duration(value) : count(value));

/** How long what is left lasts at the pace so far, renewed or not; null where nothing is used. @param {PoolUse} use @param {number} nowMs */
export function atPaceMs(use, nowMs) {
  const since = use.rolling !== null ? nowMs - use.rolling : use.begins;
  if (since === null || use.consumed <= 0) return null;
  const perMs = use.consumed / Math.max(1, nowMs - since);
  const left = (use.limit - use.consumed - use.held) / perMs;
  return Math.max(0, left);
}

/** When the limit is reached at the pace so far, in milliseconds from now; null when never within the window. @param {PoolUse} use @param {number} nowMs */
function exhaustedIn(use, nowMs) {
  const left = atPaceMs(use, nowMs);
  return left !== null && left > 0 && use.ends !== null && nowMs + left > use.ends ? null : left;
}

/** @param {{reading: any, uses: PoolUse[], onOpen: (use: PoolUse) => void}} props */
export function Pools({ reading, uses, onOpen }) {
  if (uses.length === 0) {
    return html`<${Nothing} loading=${reading.value.value === null && reading.problem.value === ""} problem=${reading.problem.value} onRetry=${reading.refresh}>
      <p><strong>No pool is in use.</strong></p><p>A manifest's pools limit many missions together: per agent, tenant, model or tag, over a day or a rolling hour.</p><//>`;
  }
  return html`<ul class="uses wide">${uses.map((use) => html`<${Line} key=${use.name + use.kind} use=${use} onOpen=${() => onOpen(use)} />`)}</ul>`;
}

/** @param {{use: PoolUse, onOpen: () => void}} props */
function Line({ use, onOpen }) {
  const out = exhaustedIn(use, now.value);
  const consumed = Math.min(100, (use.consumed / (use.limit || 1)) * 100);
  const held = Math.min(100 - consumed, (use.held / (use.limit || 1)) * 100);
  return html`
    <li class="use" data-level=${levelOf(use.share)} data-pool=${use.name} data-opens="true" onClick=${beside(onOpen)}>
      <span class="use-name">${use.name} <span class="faint">${use.kind}${use.held > 0 ? ` · ${written(use, use.held)} held` : ""}</span></span>
      <span class="use-text"><${Opener} what=${`pool ${use.name}, ${use.kind}`} onOpen=${onOpen}>${written(use, use.consumed)} <span class="faint">of ${written(use, use.limit)}</span><//></span>
      <b class="use-share">${percent(use.share)}</b>
      <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="use-rail" width="100" height="4" /><rect class="use-run" width=${consumed} height="4" /><rect class="use-held" x=${consumed} width=${held} height="4" /></svg>
      <span class="use-foot">${out === null ? (use.ends === null ? "does not run out at this pace" : `lasts until it renews in ${duration(use.ends - now.value)}`) : out === 0 ? "used up" : `used up in ${duration(out)} at this pace`}</span>
    </li>
  `;
}
