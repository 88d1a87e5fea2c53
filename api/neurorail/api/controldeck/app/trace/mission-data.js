// @ts-check
/** One mission: its entities and its events, read and kept live. */

import { batch, signal, useEffect, useMemo } from "../../vendor/ui.js";
import { getTrace } from "../api.js";
import { readTrace } from "../entity.js";
import { useEventLog } from "../event-log.js";
import { soon } from "../soon.js";
import { connection, follow } from "../store.js";

const TRACE_MS = 300;

class MissionData {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    this.entities = signal(/** @type {import("../entity.js").Entity[]} */ ([]));
    this.problem = signal("");
    this.truncated = signal(false);
    this.loaded = signal(false);
    this.refresh = soon(TRACE_MS, () => this.read());
  }

  async read() {
    try {
      const trace = await getTrace("mission", this.id);
      batch(() => {
        this.entities.value = readTrace(trace);
        this.truncated.value = trace.truncated === true;
        this.problem.value = "";
        this.loaded.value = true;
      });
    } catch (problem) {
      this.problem.value = problem instanceof Error ? problem.message : String(problem);
    }
  }
}

/** @param {string} id */
export function useMission(id) {
  const data = useMemo(() => new MissionData(id), [id]);
  const log = useEventLog([], id);
  useEffect(() => {
    data.refresh();
    return follow((fresh) => {
      if (fresh.some((event) => event.missionId === id)) data.refresh();
    });
  }, [data]);
  // After a pause events may be missing: the reading is what counts.
  useEffect(() => {
    if (connection.value === "live") data.refresh();
  }, [connection.value, data]);
  return { data, log };
}
