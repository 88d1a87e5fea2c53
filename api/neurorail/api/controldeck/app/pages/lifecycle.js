// @ts-check
/** The lifecycle: how many entities are in each state, how they move, and what was refused. */

import { html } from "../../vendor/ui.js";
import { LEVELS, STATES } from "../entity.js";
import { useEventLog } from "../event-log.js";
import { count } from "../format.js";
import { EventTable } from "../lifecycle/event-table.js";
import { FlowDiagram } from "../lifecycle/flow-diagram.js";
import { ENTITY_COLUMNS, Export } from "../export.js";
import { MissionList } from "../mission-list.js";
import { Nothing, Panel, Tabs } from "../panel.js";
import { adjust, inAddress, place } from "../route.js";
import { edges, missions, missionsLoaded, readProblem, totals, totalsLoaded } from "../store.js";
import { told, toldOf } from "../told.js";

const TERMINAL_NOTE = { succeeded: "ended well", failed: "ended by an error", timeout: "ran out of time", cancelled: "were called off" };
/** @type {Record<string, string>} */
const NOTES = { pending: "created", queued: "wait to start", running: "at work", ...TERMINAL_NOTE };

const tab = inAddress("tab", ["transitions", "rejected", "orphans", "late"]);

export function Lifecycle() {
  const type = LEVELS.includes(place.value.query.get("type") ?? "") ? /** @type {string} */ (place.value.query.get("type")) : "all";
  const held = countsOf(type);
  const say = (/** @type {string} */ state) => told(totalsLoaded.value, readProblem.value, () => count(held[state] ?? 0));
  return html`
    <div class="bar-row">
      <div class="chips" role="group" aria-label="Type of entity">
        ${["all", ...LEVELS].map((name) => html`
          <button type="button" class="chip" key=${name} aria-pressed=${name === type} onClick=${() => adjust({ type: name === "all" ? "" : name })}>${name === "all" ? "all types" : `${name}s`}</button>`)}
      </div>
    </div>
    <dl class="tiles states" aria-label="Entities in each state" data-loaded=${totalsLoaded.value}>
      ${STATES.map((state) => html`
        <div class="tile" key=${state} data-tile=${state} data-state=${state}>
          <dt>${state.toUpperCase()}</dt><dd class="tile-value">${say(state)}</dd><dd class="tile-note">${NOTES[state]}</dd>
        </div>`)}
    </dl>
    <div class="columns lifecycle">
      <div class="column">
        <${Panel} name="flow" class="flow" title="State flow" note="moves in the last minute">
          <${FlowDiagram} type=${type} say=${say} rates=${edges.value} />
        <//>
        <${Active} />
      </div>
      <${Moves} type=${type} />
    </div>
  `;
}

/** @param {string} type @returns {Record<string, number>} */
function countsOf(type) {
  const { byState } = totals.value;
  if (type !== "all") return byState[type] ?? {};
  /** @type {Record<string, number>} */
  const sums = {};
  for (const states of Object.values(byState)) {
    for (const [state, value] of Object.entries(states)) sums[state] = (sums[state] ?? 0) + value;
  }
  return sums;
}

function Active() {
  const rows = missions.value.filter((row) => ["pending", "queued", "running"].includes(row.state));
  return html`
    <${Panel} name="active" class="active" title="Active missions" note=${count(rows.length)}
      tools=${html`<${Export} name="active-missions" rows=${rows} columns=${ENTITY_COLUMNS} />`}>
      <${MissionList} rows=${rows} slim empty=${missionsLoaded.value ? html`<${Nothing}><p><strong>Nothing is open.</strong></p><p>Every mission among the newest has ended.</p><//>` : undefined} />
    <//>
  `;
}

/** @param {{type: string}} props */
function Moves({ type }) {
  const moved = useEventLog(["state_changed"]);
  const rejected = useEventLog(["transition_rejected"]);
  const orphans = useEventLog(["orphan_detected", "orphan_lifted"]);
  const late = useEventLog(["gap_inferred", "late_input", "late_outcome"]);
  /** @type {Record<string, [import("../event-log.js").EventLog, string]>} */
  const shown = {
    transitions: [moved, "No transition yet."],
    rejected: [rejected, "No transition was ever refused: every report so far is in the lifecycle's table."],
    orphans: [orphans, "No orphan: everything that reported has a parent."],
    late: [late, "Nothing came late, and no step had to be inferred."],
  };
  const [log, says] = shown[tab.value] ?? [moved, ""];
  return html`
    <section class="panel moves" data-panel="moves" aria-label="What moved and what was refused">
      <div class="panel-head tabs-head">
        <${Tabs} label="Which events" chosen=${tab.value} onChoose=${(/** @type {any} */ name) => (tab.value = name)}
          tabs=${[
            ["transitions", "Transitions"],
            ["rejected", "Rejected", toldOf(rejected)],
            ["orphans", "Orphans", toldOf(orphans)],
            ["late", "Late and gaps", toldOf(late)],
          ]} />
      </div>
      <${EventTable} key=${tab.value} log=${log} name=${tab.value} type=${type}>${says}<//>
    </section>
  `;
}
