// @ts-check
/** The audit trail: search it, look into an event, verify the chain. */

import { html, useEffect, useMemo, useSignal } from "../../vendor/ui.js";
import { getEvents } from "../api.js";
import { Checkpoints } from "../audit/checkpoints.js";
import { MissionBundle } from "../audit/mission-bundle.js";
import { Verification } from "../audit/verification.js";
import { Id } from "../badge.js";
import { Draft } from "../draft.js";
import { readRow } from "../event-log.js";
import { openEvent } from "../event-sheet.js";
import { CHANNELS, compareEvents, entityFilter } from "../events.js";
import { EVENT_COLUMNS, Export } from "../export.js";
import { count, moment, clock } from "../format.js";
import { Nothing, Tabs } from "../panel.js";
import { adjust, place } from "../route.js";
import { RowRange } from "../row-range.js";
import { connection, follow, noteCodes } from "../store.js";
import { told } from "../told.js";
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
  const range = useMemo(() => rangeFor(wish), [JSON.stringify(wish)]);
  const goTo = useSignal(/** @type {{index: number} | null} */ (null));
  useEffect(() => {
    void range.fill();
    // A search by severity or time is of the past: live events say neither.
    const leave = wish.severity || wish.from || wish.to ? () => {} : followInto(range, wish);
    return () => {
      leave();
      range.close();
    };
  }, [range]);
  useEffect(() => {
    if (connection.value === "live" && range.state.value === "failed") range.again();
  }, [connection.value, range]);
  // Every change of the range makes a new view of it, so that the list draws itself anew.
  const rows = useMemo(() => viewOf(range), [range, range.version.value]);
  return html`
    <section class="panel whole" data-panel="audit" aria-labelledby="audit-title">
      <div class="panel-head">
        <h2 id="audit-title">Events</h2>
        <span class="panel-note" data-count=${range.total} data-held=${range.held}>${told(range.state.value === "ready", range.problem.value, () => count(range.total))}${range.length < range.counted ? `, the newest ${count(range.length)} shown: narrow the time for older ones` : ""}</span>
        ${range.waiting.length > 0 && html`<button type="button" onClick=${() => (goTo.value = { index: 0 })}>${count(range.waiting.length)} new</button>`}
        <${Export} name="audit" rows=${rows} columns=${EVENT_COLUMNS} />
      </div>
      <${Filters} onTime=${async (/** @type {string} */ moment) => (goTo.value = { index: await newerThan(range, wish, moment) })} />
      ${range.problem.value && range.state.value === "ready" && html`<div class="strip" role="alert"><span class="bad">${range.problem.value}</span><button type="button" onClick=${() => range.fill()}>Try again</button></div>`}
      <${VirtualList} rows=${rows} rowPx=${34} label="Audit events, newest first" minWidthPx=${900}
        template="150px 100px minmax(150px, 1fr) minmax(220px, 2.4fr) minmax(130px, 1fr) minmax(130px, 1fr)"
        head=${html`<${Th}>Received<//><${Th}>Channel<//><${Th}>Type<//><${Th}>What<//><${Th}>Entity<//><${Th}>Mission<//>`}
        keyOf=${(/** @type {StreamEvent} */ event) => event.id} onOpen=${(/** @type {StreamEvent} */ event) => (openEvent.value = event)}
        onLook=${(/** @type {number} */ from, /** @type {number} */ to) => range.look(from, to)} goTo=${goTo.value}
        onScrolled=${(/** @type {number} */ topPx) => range.hold(topPx > 34)}
        rowProps=${(/** @type {StreamEvent} */ event) => ({ "data-type": event.type, "data-tone": event.tone })}
        cells=${(/** @type {StreamEvent} */ event) => html`
          <${Td} faint><time class="event-at" dateTime=${new Date(event.atMs).toISOString()} title=${clock(event.atMs)}>${moment(event.atMs)}</time><//>
          <${Td}><span class="channel" data-channel=${event.channel}>${event.channel}</span><//>
          <span role="cell" class="event-type">${event.type}</span>
          <${Td} clip title=${event.text}>${event.text}<//>
          <${Td} clip><${Id} id=${event.entityId === event.missionId ? "" : event.entityId} missionId=${event.missionId} /><//>
          <${Td} clip><${Id} id=${event.missionId} missionId=${event.missionId} /><//>`}
        empty=${html`<${Nothing} loading=${range.state.value === "loading"} problem=${range.state.value === "failed" ? range.problem.value : ""} onRetry=${() => range.again()}><p><strong>No event matches.</strong></p><//>`} />
    </section>
  `;
}

/** @typedef {RowRange<StreamEvent>} Events */

/** @param {Record<string, string>} wish */
function filterOf({ channel, type, severity, id, from, to }) {
  return {
    channel, severity, event_type: type, ...entityFilter(id ?? ""),
    start_time: from ? new Date(from).toISOString() : "", end_time: to ? new Date(to).toISOString() : "",
  };
}

/** @param {Record<string, string>} wish @returns {Events} */
function rangeFor(wish) {
  const filter = filterOf(wish);
  return new RowRange(async ({ cursor, skip, upward, counted, limit }) => {
    const answer = await getEvents({ ...filter, cursor, limit, skip: skip || "", order: upward ? "oldest" : "", counted: String(counted) });
    const rows = answer.events.map(readRow);
    noteCodes(rows);
    return { rows, first: answer.first_cursor, next: answer.next_cursor, total: answer.total };
  }, (event) => event.id, compareEvents);
}

/** @param {Events} range @param {Record<string, string>} wish */
function followInto(range, { channel, type, id }) {
  return follow((fresh) => {
    const mine = fresh.filter((event) => (!channel || event.channel === channel) && (!type || event.type === type) &&
      (!id || [event.missionId, event.entityId, ...Object.values(event.data)].includes(id)));
    if (mine.length > 0) range.add(mine.reverse());
  });
}

/** @param {Events} range */
const viewOf = (range) => ({
  length: range.length,
  all: () => range.all(),
  at: (/** @type {number} */ index) => range.at(index),
  slice: (/** @type {number} */ from, /** @type {number} */ to) => range.slice(from, to),
});

/** The place of the newest event that is not younger than a moment. @param {Events} range @param {Record<string, string>} wish @param {string} moment */
async function newerThan(range, wish, moment) {
  const answer = await getEvents({ ...filterOf(wish), start_time: new Date(moment).toISOString(), limit: 1 });
  return Math.min(answer.total, range.length - 1);
}

/** @param {{onTime: (moment: string) => void}} props */
function Filters({ onTime }) {
  /** @param {string} name */
  const set = (name) => (/** @type {any} */ event) => adjust({ [name]: event.target.value.trim() });
  return html`
    <div class="filters">
      <${Draft} class="search" aria-label="Entity id" placeholder="Id of an entity" value=${asked("id")} onDone=${(/** @type {string} */ id) => adjust({ id: id.trim() })} />
      <${Draft} aria-label="Event type" placeholder="Event type" value=${asked("type")} onDone=${(/** @type {string} */ type) => adjust({ type: type.trim() })} />
      <select aria-label="Channel" value=${asked("channel")} onChange=${set("channel")}>
        <option value="">Any channel</option>${CHANNELS.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
      </select>
      <select aria-label="Severity" value=${asked("severity")} onChange=${set("severity")}>
        <option value="">Any severity</option>${SEVERITIES.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
      </select>
      <label class="field">from <input class="moment" type="datetime-local" aria-label="Received from" value=${asked("from")} onChange=${set("from")} /></label>
      <label class="field">to <input class="moment" type="datetime-local" aria-label="Received before" value=${asked("to")} onChange=${set("to")} /></label>
      <label class="field">go to <input class="moment" type="datetime-local" step="1" aria-label="Go to a time" onChange=${(/** @type {any} */ event) => event.target.value && onTime(event.target.value)} /></label>
    </div>
  `;
}
