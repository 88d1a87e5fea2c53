// @ts-check
/** All missions there ever were, as one list: pages come where a reader looks, new ones arrive at the top, and those that run go on. */

import { useEffect, useMemo, useRef } from "../../vendor/ui.js";
import { get, getSnapshot, query } from "../api.js";
import { readEntity } from "../entity.js";
import { RowRange } from "../row-range.js";
import { connection, missions } from "../store.js";

/** @typedef {import("../entity.js").Entity} Entity */

/** @returns {RowRange<Entity>} */
const everyMission = () => new RowRange(readPage, (row) => row.id, compareMissions, false);

/** @type {import("../row-range.js").Read<Entity>} */
async function readPage({ cursor, skip, counted, limit }) {
  const asked = query({ paged: "true", cursor, limit, skip: skip || "" });
  const [answer, snapshot] = await Promise.all([get(`missions?${asked}`), counted ? getSnapshot() : null]);
  return {
    rows: answer.missions.map(readEntity), first: answer.first_cursor, next: answer.next_cursor,
    total: snapshot === null ? null : (snapshot.entity_counts?.missions ?? 0),
  };
}

/** Below 0 when `a` is the older one. @param {Entity} a @param {Entity} b */
const compareMissions = (a, b) => (a.createdMs ?? 0) - (b.createdMs ?? 0) || (a.id < b.id ? -1 : Number(a.id > b.id));

/** @param {boolean} wanted whether the list is shown */
export function useEveryMission(wanted) {
  const range = useMemo(() => (wanted ? everyMission() : null), [wanted]);
  const taken = useRef(new Set());
  useEffect(() => {
    void range?.fill();
    taken.current = new Set();
    return () => range?.close();
  }, [range]);
  useEffect(() => {
    if (connection.value === "live" && range?.state.value === "failed") range.again();
  }, [connection.value, range]);
  const live = missions.value;
  useEffect(() => {
    // Where a row belongs is sure only when it is sure when the mission was created.
    const fresh = live.filter((row) => !row.guessed && !taken.current.has(row.id));
    for (const row of fresh) taken.current.add(row.id);
    if (fresh.length > 0) range?.add(fresh);
  }, [live, range]);
  const version = range?.version.value;
  const rows = useMemo(() => range && viewOf(range, live), [range, version, live]);
  return { range, rows };
}

/** Every change makes a new view, so that the list draws itself anew; what runs is shown as it is now. @param {RowRange<Entity>} range @param {Entity[]} live */
function viewOf(range, live) {
  const known = new Map(live.map((row) => [row.id, row]));
  const now = (/** @type {Entity | undefined} */ row) => row && (known.get(row.id) ?? row);
  return {
    length: range.length,
    all: () => range.all(),
    at: (/** @type {number} */ index) => now(range.at(index)),
    slice: (/** @type {number} */ from, /** @type {number} */ to) => range.slice(from, to).map(now),
  };
}
