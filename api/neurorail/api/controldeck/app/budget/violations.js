// @ts-check
/** The violations, newest first, each leading to its trace. */

import { html } from "../../vendor/ui.js";
import { Clock, Id } from "../badge.js";
import { openEvent } from "../event-sheet.js";
import { amount } from "../events.js";
import { EVENT_COLUMNS, Export } from "../export.js";
import { EmptyLog } from "../panel.js";
import { toldRead } from "../told.js";
import { Td, Th, VirtualList } from "../virtual.js";

/** @typedef {import("../events.js").StreamEvent} StreamEvent */

/** @type {import("../export.js").Columns<StreamEvent>} */
const COLUMNS = {
  ...EVENT_COLUMNS,
  violation_type: ({ data }) => data.violation_type, limit: ({ data }) => data.limit, consumed: ({ data }) => data.consumed,
  overshoot: ({ data }) => data.overshoot, code: ({ data }) => data.code,
};

/** @param {{log: import("../event-log.js").EventLog}} props */
export function Violations({ log }) {
  return html`
    <section class="panel violations" data-panel="violations" aria-labelledby="violations-title">
      <div class="panel-head">
        <h2 id="violations-title">Recent violations</h2>
        <span class="panel-note">${toldRead(log)}</span>
        <${Export} name="violations" rows=${log.rows.value} columns=${COLUMNS} />
      </div>
      <${VirtualList} rows=${log.rows.value} rowPx=${34} label="Recent violations" minWidthPx=${760}
        template="92px 84px minmax(120px, 1fr) minmax(120px, 1fr) 76px 76px 76px 76px"
        head=${html`<${Th}>Received<//><${Th}>Kind<//><${Th}>Scope<//><${Th}>Mission<//><${Th} number>Limit<//><${Th} number>Used<//><${Th} number>Over by<//><${Th}>Code<//>`}
        keyOf=${(/** @type {StreamEvent} */ event) => event.id} onOpen=${(/** @type {StreamEvent} */ event) => (openEvent.value = event)}
        onEnd=${() => log.state.value === "ready" && log.older()}
        rowProps=${(/** @type {StreamEvent} */ event) => ({ "data-violation": event.data.violation_type })}
        cells=${(/** @type {StreamEvent} */ event) => html`<${Cells} event=${event} />`}
        empty=${html`<${EmptyLog} log=${log}><p><strong>No violation yet.</strong></p><p>When a budget's limit is reached and passed, it is here within a moment.</p><//>`} />
    </section>
  `;
}

/** @param {{event: StreamEvent}} props */
function Cells({ event }) {
  const { data } = event;
  const kind = data.violation_type;
  return html`
    <${Td} faint><${Clock} at=${event.atMs} /><//>
    <${Td}><b>${String(kind).replace("_", " ")}</b><//>
    <${Td} clip><span class="kind">${data.scope?.entity_type}</span> <${Id} id=${event.entityId === event.missionId ? "" : event.entityId} missionId=${event.missionId} /><//>
    <${Td} clip><${Id} id=${event.missionId} missionId=${event.missionId} /><//>
    <${Td} number>${amount(kind, data.limit)}<//>
    <${Td} number>${amount(kind, data.consumed)}<//>
    <${Td} number>${data.consumed > data.limit ? amount(kind, data.consumed - data.limit) : "–"}<//>
    <${Td}><span class="code">${data.code}</span><//>
  `;
}
