// @ts-check
/** Limits that were broken: of plans, jobs and attempts, and of missions where no row says so already. */

import { html } from "../../vendor/ui.js";
import { readEntity } from "../entity.js";
import { amount } from "../events.js";
import { ago } from "../format.js";
import { now } from "../store.js";
import { ruleOf, wordOf } from "./missions.js";

/**
 * @typedef {import("../events.js").StreamEvent} StreamEvent
 * @typedef {import("../entity.js").Entity} Entity
 * @typedef {import("./missions.js").MissionUse} MissionUse
 */

/**
 * As they were when they broke; of a limit that broke twice the last time.
 *
 * @param {StreamEvent[]} violations newest first @param {Entity[]} missions @param {MissionUse[]} shown
 * @returns {MissionUse[]}
 */
export function brokenUses(violations, missions, shown) {
  const known = new Map(missions.map((mission) => [mission.id, mission]));
  const seen = new Set(shown.map((use) => keyOf(use.mission.id, use.kind, use.ruleId)));
  /** @type {MissionUse[]} */
  const found = [];
  for (const event of violations) {
    const { violation_type: type, scope, limit, consumed } = event.data;
    // What has no entity is a pool's.
    if (!scope?.entity_id) continue;
    const rule = ruleOf(event.data.rule_id ? event.data : { rule_id: "" });
    const key = keyOf(scope.entity_id, wordOf(type), rule.ruleId);
    if (seen.has(key)) continue;
    seen.add(key);
    const mission = known.get(event.missionId) ?? readEntity({ entity_type: "mission", entity_id: event.missionId });
    found.push({
      mission, kind: wordOf(type), used: consumed, limit, text: amount(type, consumed), of: amount(type, limit), left: amount(type, 0), leftNumber: 0,
      held: 0, heldText: "", ...rule, binds: false, share: limit > 0 ? consumed / limit : Infinity, broken: event,
    });
  }
  return found;
}

/** @param {string} id @param {string} kind @param {string} rule */
const keyOf = (id, kind, rule) => `${id} ${kind} ${rule}`;

/** Of what the limit was, and when it broke. @param {{event: StreamEvent}} props */
export function BrokenFoot({ event: { atMs, data } }) {
  const over = data.consumed > data.limit ? ` by ${amount(data.violation_type, data.consumed - data.limit)}` : "";
  return html`<span><b class="bad">broken${over}</b>, ${ago(atMs, now.value) === "now" ? "just now" : `${ago(atMs, now.value)} ago`}</span>`;
}
