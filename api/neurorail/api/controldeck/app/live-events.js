// @ts-check
/** The live events: filtered, held, cleared, and reaching back to the first event. */

import { batch, computed, effect, html, signal, untracked, useRef } from "../vendor/ui.js";
import { Id } from "./badge.js";
import { clearFilter, EventFilter, isNarrow, passes, pastFilter } from "./event-filter.js";
import { EventLog } from "./event-log.js";
import { openEvent } from "./event-sheet.js";
import { EVENT_COLUMNS, Export } from "./export.js";
import { ago, clock, count } from "./format.js";
import { Nothing } from "./panel.js";
import { clearEvents, events, now } from "./store.js";
import { VirtualList } from "./virtual.js";

/** @typedef {import("./events.js").StreamEvent} StreamEvent */

const ROW_PX = 44;

/** What the list shows while it is held, or null while it follows. */
const held = signal(/** @type {StreamEvent[] | null} */ (null));
/** Events from before this page's memory, read when a reader scrolls to them or asks for few of all. */
const log = signal(/** @type {EventLog | null} */ (null));
/** Nothing from before is shown again after a reader cleared the list. */
const cleared = signal(false);

const whole = computed(() => {
  const live = held.value ?? events.value;
  const past = log.value?.rows.value ?? [];
  if (past.length === 0) return live;
  const oldest = live.at(-1)?.atMs ?? Infinity;
  const known = new Set(live.map((event) => event.id));
  return [...live, ...past.filter((event) => event.atMs <= oldest && !known.has(event.id))];
});

const shown = computed(() => (isNarrow.value ? whole.value.filter(passes.value) : whole.value));

const waiting = computed(() => {
  const first = held.value?.[0];
  if (held.value === null) return 0;
  const at = first === undefined ? -1 : events.value.findIndex((event) => event.id === first.id);
  return events.value.slice(0, at === -1 ? undefined : at).filter(passes.value).length;
});

/** Stops the list from moving, or lets it follow again. @param {boolean} still */
function hold(still) {
  held.value = still ? events.value : null;
}

function clear() {
  batch(() => {
    clearEvents();
    log.value = null;
    held.value = null;
    cleared.value = true;
  });
}

/** Reads what is older than the oldest event in memory, as far as the filter lets it pass. */
function readOlder() {
  if (cleared.peek()) return;
  const oldest = (held.peek() ?? events.peek()).at(-1);
  const { types, filter } = pastFilter.peek();
  const made = log.peek() ?? new EventLog(types, oldest ? { ...filter, end_time: new Date(oldest.atMs + 1).toISOString() } : filter);
  log.value = made;
  void made.older();
}

/** What another filter read serves no more; one that lets few pass looks back at once. */
effect(() => {
  const { types, filter } = pastFilter.value;
  log.value = null;
  if (types.length > 0 || Object.keys(filter).length > 0) untracked(readOlder);
});

export function LiveEvents() {
  return html`
    <section class="panel stream" data-panel="events" aria-labelledby="events-title">
      <div class="panel-head">
        <h2 id="events-title">Live events</h2>
        <span class="panel-note" data-count=${shown.value.length}>${count(shown.value.length)} shown</span>
        <button type="button" data-action="pause" aria-pressed=${held.value !== null} onClick=${() => hold(held.value === null)}>
          ${held.value === null ? "Pause" : "Resume"}
        </button>
        <button type="button" onClick=${clear}>Clear</button>
        <${Export} name="events" rows=${shown.value} columns=${EVENT_COLUMNS} />
      </div>
      <${EventFilter} />
      <${List} />
    </section>
  `;
}

function List() {
  const wasTop = useRef(true);

  /** @param {number} top */
  function scrolled(top) {
    // A reader who scrolls down wants to read: the list stands still until the top is reached again.
    if (wasTop.current && top >= ROW_PX && held.value === null) hold(true);
    wasTop.current = top < ROW_PX;
  }

  function follow() {
    hold(false);
    document.querySelector("[data-panel=events] .list")?.scrollTo({ top: 0 });
  }

  function older() {
    // Only a reader who scrolled there, or filters, asks for the past; a short list does not.
    if (held.value !== null || log.value !== null) readOlder();
  }

  return html`
    <div class="stream-body">
      ${waiting.value > 0 && html`
        <button type="button" class="waiting" onClick=${follow}>${count(waiting.value)} new</button>
      `}
      <${VirtualList} rows=${shown.value} rowPx=${ROW_PX} label="Events, newest first" template="minmax(0, 1fr) auto"
        keyOf=${(/** @type {StreamEvent} */ event) => event.id}
        rowProps=${(/** @type {StreamEvent} */ event) => ({ class: "list-row event", "data-tone": event.tone, "data-channel": event.channel, "data-type": event.type })}
        onOpen=${(/** @type {StreamEvent} */ event) => (openEvent.value = event)} onScrolled=${scrolled} onEnd=${older}
        cells=${(/** @type {StreamEvent} */ event) => html`<${Cells} event=${event} />`}
        empty=${html`<${Empty} />`} />
    </div>
  `;
}

function Empty() {
  const reading = log.value?.state.value === "loading";
  return html`
    <${Nothing} loading=${reading} problem=${log.value?.state.value === "failed" ? log.value.problem.value : ""} onRetry=${readOlder}>
      <p>No event${isNarrow.value ? " passes the filter" : " yet"}.</p>
      ${isNarrow.value && html`<button type="button" onClick=${clearFilter}>Take the filter away</button>`}
    <//>
  `;
}

/** @param {{event: StreamEvent}} props */
function Cells({ event }) {
  return html`
    <span role="cell" class="event-type">${event.type}</span>
    <span role="cell" class="event-time"><time dateTime=${new Date(event.atMs).toISOString()} title=${clock(event.atMs)}>${ago(event.atMs, now.value)}</time></span>
    <span role="cell" class="event-text" title=${event.text}>${event.text}</span>
    <span role="cell"><${Id} id=${event.entityId} missionId=${event.missionId} /></span>
  `;
}
