// @ts-check
/** The live events: chips for channels, filters, and a list that reaches back to the first event. */

import { batch, computed, effect, html, signal, useRef } from "../vendor/ui.js";
import { Id } from "./badge.js";
import { EventLog } from "./event-log.js";
import { openEvent } from "./event-sheet.js";
import { CHANNELS } from "./events.js";
import { EVENT_COLUMNS, Export } from "./export.js";
import { ago, clock, count } from "./format.js";
import { channels, clearEvents, events, now } from "./store.js";
import { VirtualList } from "./virtual.js";

/** @typedef {import("./events.js").StreamEvent} StreamEvent */

const ROW_PX = 44;

const words = signal("");
const tone = signal("");
/** What the list shows while it is held, or null while it follows. */
const held = signal(/** @type {StreamEvent[] | null} */ (null));
/** Events from before this page's memory, read when a reader scrolls to them. */
const past = signal(/** @type {StreamEvent[]} */ ([]));
let log = /** @type {EventLog | null} */ (null);
/** Nothing from before is shown again after a reader cleared the list. */
const cleared = signal(false);

const whole = computed(() => {
  const live = held.value ?? events.value;
  if (past.value.length === 0) return live;
  const oldest = live.at(-1)?.atMs ?? Infinity;
  const known = new Set(live.map((event) => event.id));
  return [...live, ...past.value.filter((event) => event.atMs <= oldest && !known.has(event.id))];
});

const shown = computed(() => {
  const wanted = words.value.trim().toLowerCase();
  if (channels.value.size === CHANNELS.length && wanted === "" && tone.value === "") return whole.value;
  return whole.value.filter((event) =>
    channels.value.has(event.channel) && (tone.value === "" || event.tone === tone.value) && (wanted === "" || matches(event, wanted)),
  );
});

/** @param {StreamEvent} event @param {string} wanted in lower case */
function matches(event, wanted) {
  return event.type.includes(wanted) || event.text.toLowerCase().includes(wanted) || event.entityId.toLowerCase().includes(wanted) || event.missionId.toLowerCase().includes(wanted);
}

const waiting = computed(() => {
  const first = held.value?.[0];
  if (held.value === null) return 0;
  const at = first === undefined ? -1 : events.value.findIndex((event) => event.id === first.id);
  return at === -1 ? events.value.length : at;
});

/** Stops the list from moving, or lets it follow again. @param {boolean} still */
function hold(still) {
  held.value = still ? events.value : null;
}

function clear() {
  batch(() => {
    clearEvents();
    past.value = [];
    held.value = null;
    cleared.value = true;
  });
}

export function LiveEvents() {
  const all = channels.value.size === CHANNELS.length;
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
      <div class="filters">
        <div class="chips" role="group" aria-label="Channels" data-all=${all}>
          <${Chip} channel="all" on=${all} />
          ${CHANNELS.map((name) => html`<${Chip} key=${name} channel=${name} on=${!all && channels.value.has(name)} />`)}
        </div>
        <input type="search" aria-label="Search events" placeholder="Type, id or words" spellcheck="false"
          value=${words.value} onInput=${(/** @type {any} */ event) => (words.value = event.target.value)} />
        <select aria-label="Severity" value=${tone.value} onChange=${(/** @type {any} */ event) => (tone.value = event.target.value)}>
          <option value="">Any severity</option>
          <option value="error">Errors</option>
          <option value="warning">Warnings</option>
          <option value="good">Successes</option>
          <option value="info">Information</option>
        </select>
      </div>
      <${List} />
    </section>
  `;
}

/** @param {{channel: string, on: boolean}} props */
function Chip({ channel, on }) {
  return html`
    <button type="button" class="chip" data-channel=${channel} aria-pressed=${on} onClick=${() => toggle(channel)}>
      ${channel}
    </button>
  `;
}

/** From all, a chip shows its channel alone; after that chips add and take away. @param {string} channel */
function toggle(channel) {
  const all = channels.value.size === CHANNELS.length;
  if (channel === "all") {
    channels.value = new Set(CHANNELS);
  } else if (all) {
    channels.value = new Set([channel]);
  } else {
    const next = new Set(channels.value);
    if (!next.delete(channel)) next.add(channel);
    channels.value = next.size === 0 ? new Set(CHANNELS) : next;
  }
}

/** Reads what is older than the oldest event in memory. */
function readOlder() {
  const oldest = whole.value.at(-1);
  if (log === null && oldest) {
    const made = new EventLog([], { end_time: new Date(oldest.atMs + 1).toISOString() });
    effect(() => {
      past.value = made.rows.value;
    });
    log = made;
  }
  void log?.older();
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
    // Only a reader who scrolled there asks for the past; a short list does not.
    if (held.value !== null && !cleared.value) readOlder();
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
        empty=${html`<div class="nothing"><p>No event${events.value.length > 0 ? " passes the filter" : " yet"}.</p></div>`} />
    </div>
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
