// @ts-check
/** What every page shares: the live events, the counts, the missions. Signals, and what changes them. */

import { batch, signal } from "../vendor/ui.js";
import { getMissions, getSnapshot } from "./api.js";
import { time } from "./entity.js";
import { codeOf, readEvent } from "./events.js";
import { Flow } from "./flow.js";
import { mergeMissions, moveMissions } from "./mission-rows.js";
import { Rate } from "./rate.js";
import { session } from "./session.js";
import { soon } from "./soon.js";
import { addEvent, readSnapshot } from "./totals.js";

/**
 * @typedef {import("./events.js").StreamEvent} StreamEvent
 * @typedef {import("./entity.js").Entity} Entity
 */

/** Live events kept; older ones are read from the server when a reader scrolls to them. */
const EVENTS_MAX = 5000;
/** Missions that lists hold; only the search wants more. */
export const MISSIONS_MAX = 1000;
export const MISSIONS_FEW = 200;
/** How many missions a reading asks for. */
export const missionsWanted = signal(MISSIONS_FEW);
const CODES_MAX = 2000;
const REFRESH_MS = 1000;
const MOVE_MS = 150;
const IDLE_MS = 15_000;

export const connection = signal(/** @type {import("./stream.js").Connection} */ ("connecting"));
/** A sentence about something the reader should know, or "". */
export const notice = signal("");
/** Events that this page never got, and since when; 0 where nobody counted them. */
export const lag = signal(/** @type {{missed: number, sinceMs: number} | null} */ (null));
/** The server's time in Unix milliseconds, once a second. */
export const now = signal(Date.now());
/** Why the last reading of the server failed, or "". */
export const readProblem = signal("");

export const totals = signal(readSnapshot({}));
export const totalsLoaded = signal(false);
export const rate = signal(/** @type {number[]} */ ([]));
/** Moves of entities over the last minute, by edge of the lifecycle. */
export const edges = signal(/** @type {Map<string, number>} */ (new Map()));

/** Newest first, at most EVENTS_MAX. */
export const events = signal(/** @type {StreamEvent[]} */ ([]));
export const received = signal(0);

export const missions = signal(/** @type {Entity[]} */ ([]));
export const missionsLoaded = signal(false);
/** Violation codes seen, by entity id (a violation counts for its mission too). */
export const codes = signal(/** @type {Map<string, string[]>} */ (new Map()));

const arrivals = new Rate();
const flow = new Flow();
/** The server's clock minus the browser's, in milliseconds. */
let skewMs = 0;

/** @type {Set<(fresh: StreamEvent[]) => void>} */
const followers = new Set();

/** Calls back with what arrives, oldest first; gives the function that ends it. @param {(fresh: StreamEvent[]) => void} follower */
export function follow(follower) {
  followers.add(follower);
  return () => {
    followers.delete(follower);
  };
}

/** @param {import("./stream.js").Message[]} messages @param {number} dropped */
export function takeBatch(messages, dropped) {
  const taken = messages.map(({ id, payload }) => readEvent(id, payload));
  const lagged = taken.filter((event) => event.type === "stream_lagged");
  const fresh = taken.filter((event) => event.type !== "stream_lagged");
  batch(() => {
    if (lagged.length > 0 || dropped > 0) noteLag(lagged, dropped);
    if (fresh.length === 0) return;
    for (const event of fresh) {
      arrivals.add(event.atMs);
      flow.add(event);
    }
    received.value += fresh.length;
    events.value = [...fresh.slice(-EVENTS_MAX).reverse(), ...events.value].slice(0, EVENTS_MAX);
    totals.value = fresh.reduce(addEvent, totals.value);
    noteCodes(fresh);
    for (const follower of followers) follower(fresh);
  });
  moving.push(...fresh);
  move();
  refresh();
}

/** What has yet to move the list of missions: drawing that list takes a frame of its own, and not as many. @type {StreamEvent[]} */
let moving = [];
const move = soon(MOVE_MS, async () => {
  const fresh = moving;
  moving = [];
  missions.value = moveMissions(missions.value, fresh, MISSIONS_MAX);
});

/** @param {StreamEvent[]} lagged @param {number} dropped */
function noteLag(lagged, dropped) {
  const missed = dropped + lagged.reduce((sum, event) => sum + Number(event.data.missed ?? 0), 0);
  const before = lag.value;
  lag.value = { missed: missed + (before?.missed ?? 0), sinceMs: before?.sinceMs ?? lagged[0]?.atMs ?? now.value };
}

/** @param {StreamEvent[]} fresh */
export function noteCodes(fresh) {
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

export const refresh = soon(REFRESH_MS, async () => {
  if (session.value !== "in") return;
  const [counted, listed] = await Promise.allSettled([getSnapshot(), getMissions(missionsWanted.value)]);
  batch(() => {
    if (counted.status === "fulfilled") {
      totals.value = readSnapshot(counted.value);
      totalsLoaded.value = true;
      skewMs = (time(counted.value.timestamp) ?? Date.now()) - Date.now();
    }
    if (listed.status === "fulfilled") {
      missions.value = mergeMissions(missions.value, listed.value.missions, MISSIONS_MAX);
      missionsLoaded.value = true;
    }
    const failed = [counted, listed].find((each) => each.status === "rejected");
    readProblem.value = failed?.status === "rejected" ? String(failed.reason?.message ?? failed.reason) : "";
  });
});

export function clearEvents() {
  events.value = [];
}

/** Once a second: the clock that relative times read, and the rates. */
export function startClock() {
  setInterval(() => {
    batch(() => {
      now.value = Date.now() + skewMs;
      rate.value = arrivals.series(now.value);
      edges.value = flow.perMinute(now.value);
    });
  }, 1000);
  setInterval(refresh, IDLE_MS);
}
