// @ts-check
/** Budgets by how much of them is used, the fullest first: of missions, and of pools. */

import { html, signal } from "../../vendor/ui.js";
import { Export } from "../export.js";
import { count, duration, shortId } from "../format.js";
import { Nothing, Tabs } from "../panel.js";
import { useReading } from "../reading.js";
import { traceLink } from "../route.js";
import { missions, missionsLoaded, now } from "../store.js";
import { UseBar, usesOf } from "../trace/budget-use.js";
import { ChangeBudget, ChangeSheet } from "./change-form.js";
import { Pools, poolUses } from "./pools.js";

const SHOWN_MAX = 20;
const tab = signal("missions");

/** @type {import("../export.js").Columns<any>} */
const COLUMNS = {
  mission_id: (use) => use.mission.id, state: (use) => use.mission.state, kind: (use) => use.kind,
  used: (use) => use.used, limit: (use) => use.limit, left: (use) => Math.max(0, use.limit - use.used), share: (use) => (Number.isFinite(use.share) ? use.share : null),
};
/** @type {import("../export.js").Columns<import("./pools.js").PoolUse>} */
const POOL_COLUMNS = {
  pool: (use) => use.name, kind: (use) => use.kind, consumed: (use) => use.consumed, held: (use) => use.held, limit: (use) => use.limit, share: (use) => use.share,
};

/** What is left of a mission's limit, and until when. @param {{use: import("../trace/budget-use.js").Use & {mission: import("../entity.js").Entity}}} props */
function Foot({ use }) {
  const { mission } = use;
  const open = mission.endedMs === null;
  const out = open ? lastsMs(use, now.value - (mission.startedMs ?? now.value)) : null;
  return html`<span>${use.left} left${out === null ? "" : out === 0 ? ", used up" : `, lasts ${duration(out)} at this pace`}</span><${ChangeBudget} entity=${mission} kind=${use.kind} />`;
}

/** How long a limit lasts at the pace so far; null where nobody can say. @param {import("../trace/budget-use.js").Use} use @param {number} elapsedMs */
function lastsMs(use, elapsedMs) {
  const left = use.limit - use.used;
  if (left <= 0) return 0;
  if (use.kind === "time") return null; // What is left is how long it lasts.
  return use.used > 0 && elapsedMs > 0 ? (left / use.used) * elapsedMs : null;
}

export function Near() {
  const reading = useReading("budgets", ["cost_tracked", "mode_decided", "reservation_settled", "manifest_activated"], 5000);
  const pools = poolUses(reading.value.value);
  const all = missions.value
    .flatMap((mission) => usesOf(mission, now.value).map((use) => ({ ...use, mission })))
    .sort((a, b) => b.share - a.share);
  const ofMissions = tab.value === "missions";
  return html`
    <section class="panel near" data-panel="near" aria-label="Budgets used">
      <div class="panel-head tabs-head">
        <${Tabs} label="Whose budgets" chosen=${tab.value} onChoose=${(/** @type {string} */ name) => (tab.value = name)}
          tabs=${[["missions", "Budgets used", count(all.length)], ["pools", "Pools", count(pools.length)]]} />
        ${ofMissions ? html`<${Export} name="budgets" rows=${all} columns=${COLUMNS} />` : html`<${Export} name="pools" rows=${pools} columns=${POOL_COLUMNS} />`}
      </div>
      <div class="scroll" tabindex="0" role="region" aria-label="Budgets, the fullest first">
        ${ofMissions && all.length === 0 && html`<${Nothing} loading=${!missionsLoaded.value}><p><strong>No mission has a budget.</strong></p><p>Set <code>neurorail.budget.max_tokens</code>, <code>…max_cost_usd</code> or <code>…timeout_ms</code> on a mission's span, or in a manifest.</p><//>`}
        ${ofMissions
          ? html`<ul class="uses wide">
              ${all.slice(0, SHOWN_MAX).map((use) => html`
                <${UseBar} key=${use.mission.id + use.kind} use=${use} foot=${html`<${Foot} use=${use} />`} label=${html`
                  <a class="id" href=${traceLink(use.mission.id)}>${use.mission.agent || use.mission.service || shortId(use.mission.id)}</a> <span class="faint">${use.kind}</span>`} />`)}
            </ul>`
          : html`<${Pools} reading=${reading} uses=${pools} />`}
      </div>
      <${ChangeSheet} />
    </section>
  `;
}
