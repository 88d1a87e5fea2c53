// @ts-check
/** The audit trail: search it, look into an event, verify the chain. */

import { html, useEffect, useMemo } from "../../vendor/ui.js";
import { Checkpoints } from "../audit/checkpoints.js";
import { MissionBundle } from "../audit/mission-bundle.js";
import { Verification } from "../audit/verification.js";
import { Id } from "../badge.js";
import { EventLog } from "../event-log.js";
import { openEvent } from "../event-sheet.js";
import { CHANNELS, entityFilter } from "../events.js";
import { EVENT_COLUMNS, Export } from "../export.js";
import { count, moment, clock } from "../format.js";
import { EmptyLog, Tabs } from "../panel.js";
import { adjust, place } from "../route.js";
import { Td, Th, VirtualList } from "../virtual.js";

/** @typedef {import("../events.js").StreamEvent} StreamEvent */

const SEVERITIES = ["info", "warning", "error", "critical"];
const FILTERS = ["channel", "type", "severity", "id", "from", "to"];

/** @param {string} name */
const asked = (name) => place.value.query.get(name) ?? "";

/** @type {[string, string][]} */
const VIEWS = [["", "Events"], ["checkpoints", "Checkpoints and anchors"], ["bundle", "Mission bundle"]];

export function Audit() {
  const view = asked("view");
  return html`
    <${Verification} />
    <${Tabs} label="Views of the trail" tabs=${VIEWS} chosen=${view} onChoose=${(/** @type {string} */ name) => adjust({ view: name })} />
    ${view === "checkpoints" ? html`<${Checkpoints} />` : view === "bundle" ? html`<${MissionBundle} />` : html`<${Events} />`}
  `;
}

function Events() {
  const wish = Object.fromEntries(FILTERS.map((name) => [name, asked(name)]));
  const log = useMemo(() => logFor(wish), [JSON.stringify(wish)]);
  useEffect(() => {
    void log.older();
    // A search by severity or time is of the past: live events say neither.
    return wish.severity || wish.from || wish.to ? undefined : log.live();
  }, [log]);
  return html`
    <section class="panel whole" data-panel="audit" aria-labelledby="audit-title">
      <div class="panel-head">
        <h2 id="audit-title">Events</h2>
        <span class="panel-note" data-count=${log.total.value}>${count(log.rows.value.length)} read of ${count(log.total.value)}</span>
        <${Export} name="audit" rows=${log.rows.value} columns=${EVENT_COLUMNS} />
      </div>
      <${Filters} />
      <${VirtualList} rows=${log.rows.value} rowPx=${34} label="Audit events, newest first" minWidthPx=${900}
        template="150px 100px minmax(150px, 1fr) minmax(220px, 2.4fr) minmax(130px, 1fr) minmax(130px, 1fr)"
        head=${html`<${Th}>Received<//><${Th}>Channel<//><${Th}>Type<//><${Th}>What<//><${Th}>Entity<//><${Th}>Mission<//>`}
        keyOf=${(/** @type {StreamEvent} */ event) => event.id} onOpen=${(/** @type {StreamEvent} */ event) => (openEvent.value = event)}
        onEnd=${() => log.state.value === "ready" && log.older()}
        rowProps=${(/** @type {StreamEvent} */ event) => ({ "data-type": event.type, "data-tone": event.tone })}
        cells=${(/** @type {StreamEvent} */ event) => html`
          <${Td} faint><time class="event-at" dateTime=${new Date(event.atMs).toISOString()} title=${clock(event.atMs)}>${moment(event.atMs)}</time><//>
          <${Td}><span class="channel" data-channel=${event.channel}>${event.channel}</span><//>
          <span role="cell" class="event-type">${event.type}</span>
          <${Td} clip title=${event.text}>${event.text}<//>
          <${Td} clip><${Id} id=${event.entityId === event.missionId ? "" : event.entityId} missionId=${event.missionId} /><//>
          <${Td} clip><${Id} id=${event.missionId} missionId=${event.missionId} /><//>`}
        empty=${html`<${EmptyLog} log=${log}><p><strong>No event matches.</strong></p><//>`} />
    </section>
  `;
}

/** @param {Record<string, string>} wish */
function logFor({ channel, type, severity, id, from, to }) {
  /** @type {Record<string, string>} */
  const filter = { channel: channel ?? "", severity: severity ?? "", ...entityFilter(id ?? "") };
  if (from) filter.start_time = new Date(from).toISOString();
  if (to) filter.end_time = new Date(to).toISOString();
  const types = type ? [type] : [];
  return new EventLog(types, filter, (event) =>
    (!channel || event.channel === channel) && (!id || [event.missionId, event.entityId, ...Object.values(event.data)].includes(id)),
  );
}

function Filters() {
  /** @param {string} name */
  const set = (name) => (/** @type {any} */ event) => adjust({ [name]: event.target.value.trim() });
  return html`
    <div class="filters">
      <input type="search" class="search" aria-label="Entity id" placeholder="Id of a mission, plan, job, attempt or resource" spellcheck="false" value=${asked("id")} onChange=${set("id")} />
      <input type="search" aria-label="Event type" placeholder="Event type" spellcheck="false" value=${asked("type")} onChange=${set("type")} />
      <select aria-label="Channel" value=${asked("channel")} onChange=${set("channel")}>
        <option value="">Any channel</option>${CHANNELS.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
      </select>
      <select aria-label="Severity" value=${asked("severity")} onChange=${set("severity")}>
        <option value="">Any severity</option>${SEVERITIES.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
      </select>
      <label class="field">from <input class="moment" type="datetime-local" aria-label="Received from" value=${asked("from")} onChange=${set("from")} /></label>
      <label class="field">to <input class="moment" type="datetime-local" aria-label="Received before" value=${asked("to")} onChange=${set("to")} /></label>
    </div>
  `;
}
