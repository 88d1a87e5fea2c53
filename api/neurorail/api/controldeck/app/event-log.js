// @ts-check
/** Events of some types as a list that reaches back as far as the server does, and grows live. */

import { batch, signal, useEffect, useMemo } from "../vendor/ui.js";
import { getEvents } from "./api.js";
import { time } from "./entity.js";
import { readEvent } from "./events.js";
import { connection, follow, noteCodes } from "./store.js";

/** @typedef {import("./events.js").StreamEvent} StreamEvent */

/** Events that one log holds; more are reachable by a narrower filter. */
const LOG_MAX = 100_000;
const PAGE = 500;

/** An audit row of the API as an event of the stream. @param {any} row @returns {StreamEvent} */
export function readRow(row) {
  return readEvent(row.audit_id, {
    channel: row.channel ?? "audit",
    event_type: row.event_type,
    timestamp: (time(row.timestamp) ?? 0) / 1000,
    data: {
      mission_id: row.mission_id ?? "", plan_id: row.plan_id ?? "", job_id: row.job_id ?? "",
      attempt_id: row.attempt_id ?? "", resource_id: row.resource_id ?? "", ...row.details,
    },
  });
}

export class EventLog {
  /** @param {string[]} types none means every type @param {Record<string, string>} [filter] of the API @param {(event: StreamEvent) => boolean} [matches] the same filter for live events */
  constructor(types, filter = {}, matches = () => true) {
    this.types = types;
    this.filter = filter;
    this.matches = matches;
    /** Newest first. */
    this.rows = signal(/** @type {StreamEvent[]} */ ([]));
    /** Of the server, when it was read; live events are added. */
    this.total = signal(0);
    this.state = signal(/** @type {"loading" | "ready" | "failed"} */ ("loading"));
    this.problem = signal("");
    this.whole = signal(false);
    this.known = new Set();
    /** @type {Map<string, string | null>} type → cursor of the next older page */
    this.cursors = new Map((types.length ? types : [""]).map((type) => [type, ""]));
    this.busy = false;
  }

  /** Reads one more page of each type. */
  async older() {
    if (this.busy || this.whole.value || this.rows.value.length >= LOG_MAX) return;
    this.busy = true;
    try {
      const open = [...this.cursors].filter(([, cursor]) => cursor !== null);
      const answers = await Promise.all(
        open.map(([type, cursor]) => getEvents({ ...this.filter, event_type: type, cursor, limit: PAGE, counted: this.state.value === "ready" ? "false" : "" })),
      );
      const first = this.state.value !== "ready";
      batch(() => {
        /** @type {StreamEvent[]} */
        const past = [];
        answers.forEach((answer, at) => {
          const type = open[at]?.[0] ?? "";
          this.cursors.set(type, answer.next_cursor);
          for (const row of answer.events) past.push(readRow(row));
        });
        noteCodes(past);
        if (first) this.total.value = answers.reduce((sum, answer) => sum + answer.total, 0) + this.newerThan(past);
        this.add(past, true);
        this.whole.value = [...this.cursors.values()].every((cursor) => cursor === null);
        this.state.value = "ready";
        this.problem.value = "";
      });
    } catch (problem) {
      batch(() => {
        this.problem.value = problem instanceof Error ? problem.message : String(problem);
        if (this.rows.value.length === 0) this.state.value = "failed";
      });
    } finally {
      this.busy = false;
    }
  }

  /** Live events that came after what was read. @param {StreamEvent[]} past */
  newerThan(past) {
    const read = new Set(past.map((event) => event.id));
    const newest = past.reduce((most, event) => Math.max(most, event.atMs), -Infinity);
    return this.rows.value.filter((event) => !read.has(event.id) && event.atMs >= newest).length;
  }

  /** @param {StreamEvent[]} some @param {boolean} counted whether `total` has them already */
  add(some, counted) {
    const fresh = some.filter((event) => !this.known.has(event.id));
    if (fresh.length === 0) return;
    for (const event of fresh) this.known.add(event.id);
    const before = this.rows.value;
    const newest = before[0]?.atMs ?? -Infinity;
    const rows = [...fresh].sort((a, b) => b.atMs - a.atMs);
    const inOrder = (rows.at(-1)?.atMs ?? 0) >= newest;
    this.rows.value = (inOrder ? [...rows, ...before] : [...before, ...rows].sort((a, b) => b.atMs - a.atMs)).slice(0, LOG_MAX);
    if (!counted) this.total.value += fresh.length;
  }

  /** Takes what arrives; gives the function that ends it. */
  live() {
    const types = new Set(this.types);
    return follow((fresh) => {
      const mine = fresh.filter((event) => (types.size === 0 || types.has(event.type)) && this.matches(event));
      if (mine.length > 0) this.add(mine.reverse(), false);
    });
  }
}

/** A log of a component's own, read once and followed while the component is there. @param {string[]} types @param {string} [mission] of this mission alone */
export function useEventLog(types, mission = "") {
  const log = useMemo(
    () => new EventLog(types, mission === "" ? {} : { mission_id: mission }, mission === "" ? undefined : (event) => event.missionId === mission),
    [types.join(), mission],
  );
  useEffect(() => {
    void log.older();
    return log.live();
  }, [log]);
  useEffect(() => {
    if (connection.value === "live" && log.state.value === "failed") void log.older();
  }, [connection.value, log]);
  return log;
}
