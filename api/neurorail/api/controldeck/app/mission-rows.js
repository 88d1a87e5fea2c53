// @ts-check
/** The list of missions: what was read, moved on by the events that came after. */

import { readEntity, TERMINAL } from "./entity.js";

/**
 * @typedef {import("./events.js").StreamEvent} StreamEvent
 * @typedef {import("./entity.js").Entity} Entity
 */

/** A reading replaces all rows, but keeps those that nothing changed as they are. @param {Entity[]} rows @param {any[]} bodies @param {number} most */
export function mergeMissions(rows, bodies, most) {
  const known = new Map(rows.map((row) => [row.id, row]));
  const read = bodies.map((body) => {
    const row = readEntity(body);
    const old = known.get(row.id);
    return old && same(old, row) ? old : row;
  });
  return ordered(read, most);
}

/** What of a mission changes while it runs. @param {Entity} row */
const print = (row) =>
  `${row.guessed ?? false} ${row.state} ${row.startedMs} ${row.endedMs} ${row.inputTokens} ${row.outputTokens} ${row.costUsd} ${row.retries} ${row.attempts} ${row.modelCalls} ${row.toolCalls} ${row.unpriced} ${row.flags} ${row.errorCode} ${row.agent} ${row.service}`;

/** @param {Entity} a @param {Entity} b */
const same = (a, b) => print(a) === print(b);

/** Shows at once what the next reading will confirm. @param {Entity[]} rows @param {StreamEvent[]} fresh @param {number} most */
export function moveMissions(rows, fresh, most) {
  /** @type {Map<string, Entity> | null} */
  let moved = null;
  for (const event of fresh) {
    if (event.data.entity_type !== "mission") continue;
    const move = MOVES[event.type];
    if (move === undefined) continue;
    moved ??= new Map(rows.map((row) => [row.id, row]));
    const row = moved.get(event.missionId) ?? { ...stub(event.missionId), createdMs: event.atMs, guessed: true };
    moved.set(event.missionId, move(row, event));
  }
  return moved === null ? rows : ordered([...moved.values()], most);
}

/** @type {Record<string, (row: Entity, event: StreamEvent) => Entity>} */
const MOVES = {
  state_changed(row, { data, atMs }) {
    // States only go forward; a replayed event says what the row has known for long.
    if (rank(data.to_state) <= rank(row.state)) return row;
    const startedMs = row.startedMs ?? (data.to_state === "running" ? atMs : null);
    return { ...row, state: data.to_state, startedMs };
  },
  metrics_recorded(row, { data }) {
    return {
      ...row,
      ...created(data),
      startedMs: data.started_at_unix_nano ? data.started_at_unix_nano / 1e6 : row.startedMs,
      endedMs: data.completed_at_unix_nano ? data.completed_at_unix_nano / 1e6 : row.endedMs,
      inputTokens: data.input_tokens ?? row.inputTokens,
      outputTokens: data.output_tokens ?? row.outputTokens,
      costUsd: data.cost_usd_pico === undefined ? row.costUsd : data.cost_usd_pico / 1e12,
      unpriced: data.unpriced_calls ?? row.unpriced,
    };
  },
};

/** As a reading says it, whole milliseconds. @param {any} data */
const created = (data) =>
  data.created_at_unix_nano ? { createdMs: Math.floor(data.created_at_unix_nano / 1e6), guessed: false } : {};

/** @param {string} state */
const rank = (state) => (TERMINAL.has(state) ? 4 : ["", "pending", "queued", "running"].indexOf(state));

/** @param {string} id */
const stub = (id) => readEntity({ entity_type: "mission", entity_id: id, mission_id: id });

/** @param {Entity[]} rows @param {number} most */
function ordered(rows, most) {
  return rows
    .sort((a, b) => (b.createdMs ?? b.startedMs ?? 0) - (a.createdMs ?? a.startedMs ?? 0))
    .slice(0, most);
}
