// @ts-check
/** The live event stream: chips for channels, a filter for types, and a list that never grows heavy. */

import { computed, html, useRef, useSignal } from "../vendor/ui.js";
import { Id } from "./badge.js";
import { CHANNELS } from "./events.js";
import { ago, clock } from "./format.js";
import { channels, clearEvents, events, held, hold, now, typeFilter } from "./store.js";

/** Every row is this high (css: --row), so that only those in sight need to exist. */
const ROW_PX = 44;
const OVERSCAN = 6;

const shown = computed(() => {
  const wanted = typeFilter.value.trim().toLowerCase();
  const list = held.value ?? events.value;
  if (channels.value.size === CHANNELS.length && wanted === "") return list;
  return list.filter((event) => channels.value.has(event.channel) && event.type.includes(wanted));
});

const waiting = computed(() => {
  const first = held.value?.[0];
  if (held.value === null) return 0;
  const at = first === undefined ? -1 : events.value.indexOf(first);
  return at === -1 ? events.value.length : at;
});

export function Stream() {
  const all = channels.value.size === CHANNELS.length;
  return html`
    <section class="panel stream" aria-labelledby="stream-title">
      <div class="panel-head">
        <h2 id="stream-title">Live events</h2>
        <span class="panel-note" data-count=${shown.value.length}>${shown.value.length} shown</span>
        <button type="button" aria-pressed=${held.value !== null} onClick=${() => hold(held.value === null)}>
          ${held.value === null ? "Pause" : "Resume"}
        </button>
        <button type="button" onClick=${clearEvents}>Clear</button>
      </div>
      <div class="filters">
        <div class="chips" role="group" aria-label="Channels" data-all=${all}>
          <${Chip} channel="all" on=${all} />
          ${CHANNELS.map((name) => html`
            <${Chip} key=${name} channel=${name} on=${!all && channels.value.has(name)} />
          `)}
        </div>
        <input type="search" aria-label="Event type" placeholder="Event type" spellcheck="false"
          value=${typeFilter.value}
          onInput=${(/** @type {any} */ event) => (typeFilter.value = event.target.value)} />
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

function List() {
  const top = useSignal(0);
  const height = useSignal(900);
  const box = useRef(/** @type {HTMLElement | null} */ (null));

  const list = shown.value;
  const from = Math.max(0, Math.floor(top.value / ROW_PX) - OVERSCAN);
  const to = Math.min(list.length, Math.ceil((top.value + height.value) / ROW_PX) + OVERSCAN);

  function scrolled() {
    if (box.current === null) return;
    // A reader who scrolls down wants to read: the list stands still until the top is reached again.
    const wasTop = top.value < ROW_PX;
    top.value = box.current.scrollTop;
    height.value = box.current.clientHeight;
    if (wasTop && top.value >= ROW_PX && held.value === null) hold(true);
  }

  function follow() {
    hold(false);
    if (box.current !== null) box.current.scrollTop = 0;
  }

  return html`
    <div class="stream-body">
      ${waiting.value > 0 && html`
        <button type="button" class="waiting" onClick=${follow}>${waiting.value} new</button>
      `}
      <div class="scroll" ref=${box} onScroll=${scrolled} tabindex="0" role="log" aria-live="off" aria-label="Events, newest first">
        <ol class="events" style=${{ height: `${list.length * ROW_PX}px` }}>
          ${list.slice(from, to).map((event, at) => html`
            <${Row} key=${event.id} event=${event} top=${(from + at) * ROW_PX} />
          `)}
        </ol>
        ${list.length === 0 && html`<p class="empty">No event${events.value.length > 0 ? " passes the filter" : " yet"}.</p>`}
      </div>
    </div>
  `;
}

/** @param {{event: import("./events.js").StreamEvent, top: number}} props */
function Row({ event, top }) {
  return html`
    <li class="event" data-tone=${event.tone} data-channel=${event.channel} data-type=${event.type}
      style=${{ transform: `translateY(${top}px)` }}>
      <span class="event-type">${event.type}</span>
      <time class="event-time" dateTime=${new Date(event.atMs).toISOString()} title=${clock(event.atMs)}>
        ${ago(event.atMs, now.value)}
      </time>
      <span class="event-text" title=${event.text}>${event.text}</span>
      <${Id} id=${event.entityId} missionId=${event.missionId} />
    </li>
  `;
}
