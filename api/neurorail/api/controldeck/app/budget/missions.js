// @ts-check
/** Limits of missions with what is used, held and left: open ones as the server's books say, ended ones by their totals. */

import { html } from "../../vendor/ui.js";
import { amount } from "../events.js";
import { duration } from "../format.js";
import { now } from "../store.js";
import { readEntity } from "../entity.js";
import { usesOf } from "../trace/budget-use.js";
import { ChangeBudget } from "./change-form.js";

/**
 * @typedef {import("../entity.js").Entity} Entity
 * @typedef {import("../trace/budget-use.js").Use & {mission: Entity, held: number, leftNumber: number, heldText: string, rule: string, ruleId: string, binds: boolean, broken?: import("../events.js").StreamEvent}} MissionUse
 */

/** The kind of a limit as a mission's own are called. @param {string} kind */
export const wordOf = (kind) => (kind === "wall_time" || kind === "timeout" ? "time" : kind.replaceAll("_", " "));

/**
 * The fullest first. How many attempts run at once is of a moment and is left out.
 *
 * @param {any} answer of `budgets?entity_type=mission` @param {Entity[]} missions @param {number} nowMs @returns {MissionUse[]}
 */
export function missionUses(answer, missions, nowMs) {
  const known = new Map(missions.map((mission) => [mission.id, mission]));
  const open = (answer?.budgets ?? []).flatMap((/** @type {any} */ scope) => {
    const mission = known.get(scope.entity_id) ?? readEntity({ entity_type: "mission", entity_id: scope.entity_id, state: "running" });
    if (mission.endedMs !== null) return [];
    return scope.limits.filter((/** @type {any} */ limit) => limit.kind !== "parallel").map((/** @type {any} */ limit) => fromBooks(mission, limit));
  });
  const ended = missions.filter((mission) => mission.endedMs !== null).flatMap((mission) =>
    usesOf(mission, nowMs).map((use) => ({ ...use, mission, held: 0, heldText: "", leftNumber: Math.max(0, use.limit - use.used), rule: "", ruleId: "", binds: false })));
  return [...open, ...ended].sort((a, b) => b.share - a.share);
}

/** The rule of a manifest that sets a limit, and how it is called where it is not the one to hold. @param {any} limit */
export function ruleOf({ rule_id: id, severity }) {
  const ruleId = id && id !== "own_budget" ? id : "";
  return { ruleId, rule: ruleId === "" || severity === "enforce" ? ruleId : `${ruleId} (${severity})` };
}

/** @param {Entity} mission @param {any} limit @returns {MissionUse} */
function fromBooks(mission, limit) {
  const unit = limit.kind === "wall_time" ? "timeout" : limit.kind;
  const held = Number(limit.held);
  return {
    mission, kind: wordOf(limit.kind), used: Number(limit.consumed), limit: Number(limit.limit), held, leftNumber: Number(limit.left),
    ...ruleOf(limit), binds: limit.severity === "enforce",
    text: amount(unit, limit.consumed), of: amount(unit, limit.limit), left: amount(unit, limit.left), heldText: held > 0 ? amount(unit, held) : "",
    share: limit.limit > 0 ? limit.consumed / limit.limit : limit.consumed > 0 ? Infinity : 0,
  };
}

/** What is held and left of a mission's limit, and how long that lasts. @param {{use: MissionUse}} props */
export function Foot({ use }) {
  const { mission } = use;
  const out = mission.endedMs === null ? lastsMs(use, now.value - (mission.startedMs ?? now.value)) : null;
  const lasts = out === null ? "" : out === 0 ? ", used up" : `, lasts ${duration(out)} at this pace`;
  return html`<span>${use.heldText && `${use.heldText} held, `}${use.left} left${lasts}</span>${use.binds && html`<${ChangeBudget} entity=${mission} kind=${use.kind} />`}`;
}

/** How long what is left lasts at the pace so far; null where nobody can say. @param {MissionUse} use @param {number} elapsedMs */
export function lastsMs(use, elapsedMs) {
  if (use.leftNumber <= 0) return 0;
  if (use.kind === "time") return null; // What is left is how long it lasts.
  return use.used > 0 && elapsedMs > 0 ? (use.leftNumber / use.used) * elapsedMs : null;
}
