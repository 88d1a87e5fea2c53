// @ts-check
/** Lifecycle events as rows: when, which entity, what, and why. */

import { html } from "../../vendor/ui.js";
import { Clock, Id, State } from "../badge.js";
import { openEvent } from "../event-sheet.js";
import { EVENT_COLUMNS, Export } from "../export.js";
import { EmptyLog } from "../panel.js";
import { toldRead } from "../told.js";
import { Td, Th, VirtualList } from "../virtual.js";

/** @typedef {import("../events.js").StreamEvent} StreamEvent */

/** @param {{log: import("../event-log.js").EventLog, name: string, type: string, children?: any}} props */
export function EventTable({ log, name, type, children }) {
  const rows = type === "all" ? log.rows.value : log.rows.value.filter((event) => event.data.entity_type === type);
  return html`
    <div class="strip">
      <span>${toldRead(log)}</span>
      <${Export} name=${name} rows=${rows} columns=${EVENT_COLUMNS} />
    </div>
    <${VirtualList} rows=${rows} rowPx=${34} label=${name} minWidthPx=${560}
      template="92px minmax(150px, 1fr) minmax(176px, 1fr) minmax(90px, 0.8fr)" middle="66px minmax(146px, 1fr) 106px minmax(84px, 1fr)" middleLeastPx=${454} narrow="66px minmax(120px, 1fr) 106px"
      head=${html`<${Th}>Received<//><${Th}>Entity<//><${Th}>What<//><${Th} roomy>Why<//>`}
      keyOf=${(/** @type {StreamEvent} */ event) => event.id} onOpen=${(/** @type {StreamEvent} */ event) => (openEvent.value = event)}
      onEnd=${() => log.state.value === "ready" && log.older()}
      rowProps=${(/** @type {StreamEvent} */ event) => ({ "data-type": event.type, "data-tone": event.tone })}
      cells=${(/** @type {StreamEvent} */ event) => html`<${Cells} event=${event} />`}
      empty=${html`<${EmptyLog} log=${log}><p>${children}</p><//>`} />
  `;
}

/** @param {{event: StreamEvent}} props */
function Cells({ event }) {
  const { data } = event;
  return html`
    <${Td} faint><${Clock} at=${event.atMs} /><//>
    <${Td} clip><span class="kind">${data.entity_type}</span> <${Id} id=${event.entityId} missionId=${event.missionId} /><//>
    <${Td} clip><${What} event=${event} /><//>
    <${Td} clip faint roomy title=${why(data)}>${why(data)}<//>
  `;
}

/** @param {{event: StreamEvent}} props */
function What({ event: { type, data, text } }) {
  if (type === "state_changed") {
    return html`${data.from_state ? html`<span class="faint roomy came-from">${data.from_state} →</span> ` : ""}<${State} state=${data.to_state} />`;
  }
  return html`<span title=${text}>${text}</span>`;
}

/** @param {Record<string, any>} data */
function why(data) {
  const how = data.inferred ? (data.gap ? "inferred, gap" : "inferred") : "";
  const allowed = data.allowed_transitions?.length ? `allowed: ${data.allowed_transitions.join(", ")}` : "";
  const missing = data.missing ? `missing ${[data.missing].flat().join(", ")}` : "";
  return [data.code ?? data.error_code, how, data.reason, allowed, missing].filter(Boolean).join(" · ");
}
