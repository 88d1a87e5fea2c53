// @ts-check
/** Events of a log as rows: when, what, and the sentence that says it; a click opens one. */

import { html } from "../vendor/ui.js";
import { Clock, Id } from "./badge.js";
import { openEvent } from "./event-sheet.js";
import { EVENT_COLUMNS, Export } from "./export.js";
import { EmptyLog } from "./panel.js";
import { toldRead } from "./told.js";
import { Td, Th, VirtualList } from "./virtual.js";

/** @typedef {import("./events.js").StreamEvent} StreamEvent */

/** @param {{log: import("./event-log.js").EventLog, name: string, children?: any}} props `children`: what is said while there is none */
export function LogTable({ log, name, children }) {
  const rows = log.rows.value;
  // Where all are of one type, the type says nothing.
  const mixed = log.types.length !== 1;
  return html`
    <div class="strip"><span>${toldRead(log)}</span><${Export} name=${name} rows=${rows} columns=${EVENT_COLUMNS} /></div>
    <${VirtualList} rows=${rows} rowPx=${34} label=${name} minWidthPx=${460} template=${`92px ${mixed ? "minmax(126px, 0.9fr) " : ""}minmax(140px, 1.8fr) 112px`} narrow=${`66px ${mixed ? "minmax(100px, 0.9fr) " : ""}minmax(120px, 1.8fr)`}
      head=${html`<${Th}>Received<//>${mixed && html`<${Th}>Event<//>`}<${Th}>What<//><${Th} roomy>Mission<//>`}
      keyOf=${(/** @type {StreamEvent} */ event) => event.id} onOpen=${(/** @type {StreamEvent} */ event) => (openEvent.value = event)}
      onEnd=${() => log.state.value === "ready" && log.older()}
      rowProps=${(/** @type {StreamEvent} */ event) => ({ "data-type": event.type, "data-tone": event.tone })}
      cells=${(/** @type {StreamEvent} */ event) => html`
        <${Td} faint><${Clock} at=${event.atMs} /><//>
        ${mixed && html`<span role="cell" class="event-type">${event.type}</span>`}
        <${Td} clip title=${event.text}><span data-tone=${event.tone}><span class=${mixed ? "" : "event-says-short"}>${event.text}</span></span><//>
        <${Td} roomy><${Id} id=${event.missionId} missionId=${event.missionId} /><//>`}
      empty=${html`<${EmptyLog} log=${log}><p>${children}</p><//>`} />
  `;
}
