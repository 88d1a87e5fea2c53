// @ts-check
/** Budgets by how much of them is used, the fullest first. */

import { html } from "../../vendor/ui.js";
import { Export } from "../export.js";
import { count, shortId } from "../format.js";
import { Nothing, Panel } from "../panel.js";
import { traceLink } from "../route.js";
import { missions, missionsLoaded, now } from "../store.js";
import { UseBar, usesOf } from "../trace/budget-use.js";

const SHOWN_MAX = 12;

export function Near() {
  const all = missions.value
    .flatMap((mission) => usesOf(mission, now.value).map((use) => ({ ...use, mission })))
    .sort((a, b) => b.share - a.share);
  return html`
    <${Panel} name="near" class="near" title="Budgets used" note=${all.length > SHOWN_MAX ? `${SHOWN_MAX} fullest of ${count(all.length)}` : `${count(all.length)} limits`}
      tools=${html`<${Export} name="budgets" rows=${all} columns=${{
        mission_id: (/** @type {any} */ use) => use.mission.id, state: (/** @type {any} */ use) => use.mission.state, kind: (/** @type {any} */ use) => use.kind,
        used: (/** @type {any} */ use) => use.used, limit: (/** @type {any} */ use) => use.limit,
        share: (/** @type {any} */ use) => (Number.isFinite(use.share) ? use.share : null),
      }} />`}>
      <div class="scroll" tabindex="0" role="region" aria-label="Budgets, the fullest first">
        ${all.length === 0 && html`<${Nothing} loading=${!missionsLoaded.value}><p><strong>No mission has a budget.</strong></p><p>Set <code>neurorail.budget.max_tokens</code>, <code>…max_cost_usd</code> or <code>…timeout_ms</code> on a mission's span, or in a manifest.</p><//>`}
        <ul class="uses wide">
          ${all.slice(0, SHOWN_MAX).map((use) => html`
            <${UseBar} key=${use.mission.id + use.kind} use=${use} label=${html`
              <a class="id" href=${traceLink(use.mission.id)}>${use.mission.agent || use.mission.service || shortId(use.mission.id)}</a> <span class="faint">${use.kind}</span>`} />`)}
        </ul>
      </div>
    <//>
  `;
}
