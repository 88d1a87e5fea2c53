// @ts-check
/** A part of the server's state: read once, and again soon after an event that may have changed it. */

import { signal, useEffect, useMemo } from "../vendor/ui.js";
import { get } from "./api.js";
import { soon } from "./soon.js";
import { connection, follow } from "./store.js";

const AGAIN_MS = 400;

class Reading {
  /** @param {string} path */
  constructor(path) {
    this.path = path;
    this.value = signal(/** @type {any} */ (null));
    this.problem = signal("");
    this.refresh = soon(AGAIN_MS, () => this.read());
  }

  async read() {
    try {
      this.value.value = await get(this.path);
      this.problem.value = "";
    } catch (failed) {
      this.problem.value = failed instanceof Error ? failed.message : String(failed);
    }
  }
}

/**
 * @param {string} path of the API
 * @param {string[]} types of events after which it is read again
 * @param {number} [everyMs] and as often as this, for what changes without an event
 */
export function useReading(path, types, everyMs = 0) {
  const reading = useMemo(() => new Reading(path), [path]);
  useEffect(() => {
    if (connection.value === "live") reading.refresh();
  }, [connection.value, reading]);
  useEffect(() => {
    reading.refresh();
    const wanted = new Set(types);
    const leave = follow((fresh) => {
      if (fresh.some((event) => wanted.has(event.type))) reading.refresh();
    });
    const timer = everyMs > 0 ? setInterval(reading.refresh, everyMs) : undefined;
    return () => {
      leave();
      clearInterval(timer);
    };
  }, [reading]);
  return reading;
}

/** The governor's half of the API, as seen from the other. */
export const GOVERNOR = "../../governor/v1/";
