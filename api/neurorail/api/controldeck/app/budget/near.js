// @ts-check
/** Budgets by how much of them is used, the fullest first: of missions, and of pools. */

import { html, useMemo, useSignal } from "../../vendor/ui.js";
import { time } from "../entity.js";
import { Export } from "../export.js";
import { count, shortId } from "../format.js";
import { Nothing, Tabs } from "../panel.js";
import { useReading } from "../reading.js";
import { inAddress, traceLink } from "../route.js";
import { missions, missionsLoaded, now } from "../store.js";
import { UseBar } from "../trace/budget-use.js";
import { BrokenFoot, brokenUses } from "./broken.js";
import { BurnDownSheet, openMission, openPool } from "./burn-down.js";
import { ChangeSheet } from "./change-form.js";
import { Foot, missionUses } from "./missions.js";
import { Pools, poolUses } from "./pools.js";
import { sample } from "./samples.js";

/** Budgets that are drawn at first, and so many more each time they are asked for. */
const STEP = 20;
/** Open missions whose budgets are asked for. */
const ASKED_MAX = 200;
const EVENTS = ["cost_tracked", "mode_decided", "reservation_settled", "manifest_activated"];
const tab = inAddress("tab", ["missions", "pools"]);

/** @type {import("../export.js").Columns<import("./missions.js").MissionUse>} */
const COLUMNS = {
  mission_id: (use) => use.mission.id, state: (use) => use.mission.state, entity_id: (use) => entityOf(use).id, broken: (use) => use.broken !== undefined || use.share > 1, kind: (use) => use.kind, used: (use) => use.used, held: (use) => use.held,
  limit: (use) => use.limit, left: (use) => use.leftNumber, share: (use) => (Number.isFinite(use.share) ? use.share : null), rule: (use) => use.rule,
};
/** @type {import("../export.js").Columns<import("./pools.js").PoolUse>} */
const POOL_COLUMNS = {
  pool: (use) => use.name, kind: (use) => use.kind, consumed: (use) => use.consumed, held: (use) => use.held, limit: (use) => use.limit, share: (use) => use.share,
};

/** @param {import("./missions.js").MissionUse} use */
const entityOf = ({ broken, mission }) => ({ type: broken?.data.scope.entity_type ?? "mission", id: broken?.data.scope.entity_id ?? mission.id });

/** @param {{violations: import("../event-log.js").EventLog}} props */
export function Near({ violations }) {
  const reading = useReading("budgets", EVENTS, 5000);
  const open = useReading(`budgets?entity_type=mission&limit=${ASKED_MAX}`, [...EVENTS, "budget_changed", "state_changed"], 5000);
  const pools = poolUses(reading.value.value);
  const ofMissionsNow = missionUses(open.value.value, missions.value, now.value);
  const all = [...brokenUses(violations.rows.value, missions.value, ofMissionsNow), ...ofMissionsNow];
  // Once an answer, and before the sheet below draws it.
  useMemo(() => {
    const answer = reading.value.value;
    if (answer !== null) sample(pools, time(answer.as_of) ?? now.value);
  }, [reading.value.value]);
  const ofMissions = tab.value === "missions";
  const shown = useSignal(STEP);
  return html`
    <section class="panel near" data-panel="near" aria-label="Budgets used">
      <div class="panel-head tabs-head">
        <${Tabs} label="Whose budgets" chosen=${tab.value} onChoose=${(/** @type {any} */ name) => (tab.value = name)}
          tabs=${[["missions", "Budgets used", count(all.length)], ["pools", "Pools", count(pools.length)]]} />
        ${ofMissions ? html`<${Export} name="budgets" rows=${all} columns=${COLUMNS} />` : html`<${Export} name="pools" rows=${pools} columns=${POOL_COLUMNS} />`}
      </div>
      <div class="scroll" tabindex="0" role="region" aria-label="Budgets, the fullest first">
        ${ofMissions && all.length === 0 && html`<${Nothing} loading=${!missionsLoaded.value || (open.value.value === null && open.problem.value === "")} problem=${open.problem.value} onRetry=${open.refresh}><p><strong>Nothing has a budget.</strong></p><p>Set <code>neurorail.budget.max_tokens</code>, <code>…max_cost_usd</code> or <code>…timeout_ms</code> on a mission's span, or in a manifest.</p><//>`}
        ${ofMissions
          ? html`<ul class="uses wide">
              ${all.slice(0, shown.value).map((use) => html`<${Line} key=${entityOf(use).id + use.kind + use.rule} use=${use} />`)}
            </ul>
            ${all.length > shown.value && html`<p class="sheet-actions"><button type="button" onClick=${() => (shown.value += STEP)}>${count(all.length - shown.value)} more</button></p>`}`
          : html`<${Pools} reading=${reading} uses=${pools} onOpen=${openPool} />`}
      </div>
      <${ChangeSheet} />
      <${BurnDownSheet} missions=${all} pools=${pools} atMs=${time(open.value.value?.as_of) ?? now.value} />
    </section>
  `;
}

/** @param {{use: import("./missions.js").MissionUse}} props */
function Line({ use }) {
  const { mission, broken } = use;
  const { type, id } = entityOf(use);
  const label = html`
    <a class="id" href=${traceLink(mission.id, id)}>${mission.agent || mission.service || shortId(mission.id)}</a> <span class="faint">${[broken && type, use.kind, use.rule].filter(Boolean).join(" · ")}</span>`;
  if (broken) return html`<${UseBar} use=${use} label=${label} foot=${html`<${BrokenFoot} event=${broken} />`} />`;
  return html`<${UseBar} use=${use} label=${label} foot=${html`<${Foot} use=${use} />`} what=${`${use.kind} of mission ${mission.id}`} onOpen=${() => openMission(use)} />`;
}
