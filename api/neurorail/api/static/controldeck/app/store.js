// @ts-check
/** The page's state: signals, and the few functions that change them. */

import { batch, signal } from "../vendor/ui.js";
import { getMissionEvents, getMissions, getSnapshot, getTrace } from "./api.js";
import { readEntity, readTrace, TERMINAL, time } from "./entity.js";
import { CHANNELS, readEvent, codeOf } from "./events.js";
import { Rate } from "./rate.js";
import { addEvent, readSnapshot } from "./totals.js";
import { soon } from "./soon.js";

/**
 * @typedef {import("./events.js").StreamEvent} StreamEvent
 * @typedef {import("./entity.js").Entity} Entity
 */

export const EVENTS_MAX = 500;
export const MISSIONS_MAX = 200;
const MISSION_EVENTS_MAX = 100;
const CODES_MAX = 1000;
const REFRESH_MS = 1000;
const TRACE_MS = 300;
const IDLE_MS = 15_000;

export const connection = signal(/** @type {import("./stream.js").Connection} */ ("connecting"));
/** A sentence about something the reader should know, or "". */
export const notice = signal("");
export const now = signal(Date.now());

export const totals = signal(readSnapshot({}));
export const rate = signal(/** @type {number[]} */ ([]));

/** Newest first, at most EVENTS_MAX. */
export const events = signal(/** @type {StreamEvent[]} */ ([]));
export const received = signal(0);
export const channels = signal(new Set(CHANNELS));
export const typeFilter = signal("");
/** What the stream shows while it is held, or null while it follows. */
export const held = signal(/** @type {StreamEvent[] | null} */ (null));

export const missions = signal(/** @type {Entity[]} */ ([]));
export const missionsLoaded = signal(false);
export const selected = signal("");
export const focused = signal("");
export const chain = signal(/** @type {Entity[]} */ ([]));
export const chainProblem = signal("");
export const missionEvents = signal(/** @type {StreamEvent[]} */ ([]));
/** Violation codes seen, by entity id (a violation counts for its mission too). */
export const codes = signal(/** @type {Map<string, string[]>} */ (new Map()));

const arrivals = new Rate();

/** @param {import("./stream.js").Message[]} messages @param {number} dropped */
export function takeBatch(messages, dropped) {
  const taken = messages.map(({ id, payload }) => readEvent(id, payload));
  const lagged = taken.filter((event) => event.type === "stream_lagged");
  const fresh = taken.filter((event) => event.type !== "stream_lagged");
  batch(() => {
    if (lagged.length > 0 || dropped > 0) noteLag(lagged, dropped);
    if (fresh.length === 0) return;
    for (const event of fresh) arrivals.add(event.atMs);
    received.value += fresh.length;
    events.value = [...fresh.slice(-EVENTS_MAX).reverse(), ...events.value].slice(0, EVENTS_MAX);
    totals.value = fresh.reduce(addEvent, totals.value);
    noteCodes(fresh);
    moveMissions(fresh);
    moveSelected(fresh);
  });
  refresh();
}

/** @param {StreamEvent[]} lagged @param {number} dropped */
function noteLag(lagged, dropped) {
  const span = lagged.at(-1)?.data;
  const which = span?.first_id ? ` (${span.first_id} to ${span.last_id})` : "";
  const missed = dropped + lagged.reduce((sum, event) => sum + Number(event.data.missed ?? 0), 0);
  notice.value = `This page fell behind and did not show ${missed} events${which}. Counts and chains are re-read and stay exact.`;
}

/** @param {StreamEvent[]} fresh */
function noteCodes(fresh) {
  /** @type {Map<string, string[]> | null} */
  let next = null;
  for (const event of fresh) {
    const code = codeOf(event);
    if (code === "") continue;
    next ??= new Map(codes.value);
    for (const id of new Set([event.entityId, event.missionId])) {
      const known = next.get(id) ?? [];
      if (id !== "" && !known.includes(code)) next.set(id, [...known, code]);
    }
  }
  if (next === null) return;
  for (const id of next.keys()) {
    if (next.size <= CODES_MAX) break;
    next.delete(id);
  }
  codes.value = next;
}

/** Shows at once what the next reading will confirm. @param {StreamEvent[]} fresh */
function moveMissions(fresh) {
  /** @type {Map<string, Entity> | null} */
  let rows = null;
  for (const event of fresh) {
    if (event.data.entity_type !== "mission") continue;
    const move = MISSION_MOVES[event.type];
    if (move === undefined) continue;
    rows ??= new Map(missions.value.map((row) => [row.id, row]));
    const row = rows.get(event.missionId) ?? { ...stub(event.missionId), createdMs: event.atMs };
    rows.set(event.missionId, move(row, event));
  }
  if (rows !== null) missions.value = ordered([...rows.values()]);
}

/** @type {Record<string, (row: Entity, event: StreamEvent) => Entity>} */
const MISSION_MOVES = {
  state_changed(row, { data, atMs }) {
    // States only go forward; a replayed event says what the row has known for long.
    if (rank(data.to_state) <= rank(row.state)) return row;
    const startedMs = row.startedMs ?? (data.to_state === "running" ? atMs : null);
    return { ...row, state: data.to_state, startedMs };
  },
  metrics_recorded(row, { data }) {
    return {
      ...row,
      startedMs: data.started_at_unix_nano ? data.started_at_unix_nano / 1e6 : row.startedMs,
      endedMs: data.completed_at_unix_nano ? data.completed_at_unix_nano / 1e6 : row.endedMs,
      inputTokens: data.input_tokens ?? row.inputTokens,
      outputTokens: data.output_tokens ?? row.outputTokens,
      costUsd: data.cost_usd_pico === undefined ? row.costUsd : data.cost_usd_pico / 1e12,
      unpriced: data.unpriced_calls ?? row.unpriced,
    };
  },
};

/** @param {string} state */
const rank = (state) => (TERMINAL.has(state) ? 4 : ["", "pending", "queued", "running"].indexOf(state));

/** @param {string} id */
const stub = (id) => readEntity({ entity_type: "mission", entity_id: id, mission_id: id });

/** @param {Entity[]} rows */
function ordered(rows) {
  return rows
    .sort((a, b) => (b.createdMs ?? b.startedMs ?? 0) - (a.createdMs ?? a.startedMs ?? 0))
    .slice(0, MISSIONS_MAX);
}

/** @param {StreamEvent[]} fresh */
function moveSelected(fresh) {
  const mine = fresh.filter((event) => event.missionId !== "" && event.missionId === selected.value);
  if (mine.length === 0) return;
  missionEvents.value = merged(mine, missionEvents.value);
  refreshChain();
}

/** Newest first, each once. @param {StreamEvent[]} some @param {StreamEvent[]} others */
function merged(some, others) {
  const byId = new Map([...others, ...some].map((event) => [event.id, event]));
  return [...byId.values()].sort((a, b) => b.atMs - a.atMs).slice(0, MISSION_EVENTS_MAX);
}

export const refresh = soon(REFRESH_MS, async () => {
  const [counted, listed] = await Promise.allSettled([getSnapshot(), getMissions(MISSIONS_MAX)]);
  batch(() => {
    if (counted.status === "fulfilled") totals.value = readSnapshot(counted.value);
    if (listed.status === "fulfilled") {
      missions.value = ordered(listed.value.missions.map(readEntity));
      missionsLoaded.value = true;
    }
  });
});

const refreshChain = soon(TRACE_MS, async () => {
  const id = selected.value;
  if (id === "") return;
  try {
    const trace = await getTrace(id);
    if (selected.value !== id) return;
    batch(() => {
      chain.value = readTrace(trace);
      chainProblem.value = "";
    });
  } catch (problem) {
    if (selected.value === id) chainProblem.value = String(problem);
  }
});

/** Shows a mission's chain, with one of its entities in focus. @param {string} id @param {string} entityId */
export function select(id, entityId) {
  batch(() => {
    focused.value = entityId;
    if (id === selected.value) return;
    selected.value = id;
    chain.value = [];
    chainProblem.value = "";
    missionEvents.value = merged(events.value.filter((event) => event.missionId === id), []);
  });
  if (id === "") return;
  refreshChain();
  void readHistory(id);
}

/** @param {string} id */
async function readHistory(id) {
  const answer = await getMissionEvents(id, MISSION_EVENTS_MAX).catch(() => null);
  if (answer === null || selected.value !== id) return;
  const past = answer.events.map((/** @type {any} */ row) =>
    readEvent(row.audit_id, {
      channel: row.channel ?? "audit",
      event_type: row.event_type,
      timestamp: (time(row.timestamp) ?? 0) / 1000,
      data: { ...row.details, mission_id: row.mission_id },
    }),
  );
  batch(() => {
    noteCodes(past);
    missionEvents.value = merged(missionEvents.value, past);
  });
}

export function clearEvents() {
  batch(() => {
    events.value = [];
    held.value = null;
  });
}

/** Stops the list from moving, or lets it follow again. @param {boolean} hold */
export function hold(hold) {
  held.value = hold ? events.value : null;
}

/** Once a second: the clock that relative times read, and the rate. */
export function startClock() {
  setInterval(() => {
    batch(() => {
      now.value = Date.now();
      rate.value = arrivals.series(now.value);
    });
  }, 1000);
  setInterval(refresh, IDLE_MS);
}
