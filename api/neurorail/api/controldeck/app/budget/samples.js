// @ts-check
/** What was left of each pool whenever this page read it; no event tells it. */

import { POINTS_MAX } from "./curve.js";

/**
 * @typedef {import("./pools.js").PoolUse} PoolUse
 * @typedef {import("./curve.js").Point} Point
 */

const MOST = POINTS_MAX - 2;

/** @type {Map<string, {begins: number | null, points: Point[]}>} */
let samples = new Map();

/** @param {PoolUse} use */
export const poolKey = (use) => JSON.stringify([use.name, use.kind]);

/** Takes what was read; pools that are gone are forgotten, and so is the period before. @param {PoolUse[]} uses @param {number} atMs */
export function sample(uses, atMs) {
  samples = new Map(uses.map((use) => {
    const known = samples.get(poolKey(use));
    const before = known && (use.rolling !== null || known.begins === use.begins) ? known.points : [];
    const since = use.rolling === null ? -Infinity : atMs - use.rolling;
    const points = [...before.filter((point) => point.atMs > since && point.atMs < atMs), { atMs, left: use.left }];
    // Full: every second one stays, the newest among them.
    return [poolKey(use), { begins: use.begins, points: points.length > MOST ? points.filter((_, at) => (points.length - at) % 2 === 1) : points }];
  }));
}

/** From full when the window began to what is left now. @param {PoolUse} use @returns {Point[]} oldest first */
export function samplesOf(use) {
  const points = samples.get(poolKey(use))?.points ?? [];
  const last = points.at(-1);
  const begins = use.rolling === null ? use.begins : last ? last.atMs - use.rolling : null;
  return begins === null ? points : [{ atMs: begins, left: use.limit }, ...points.filter(({ atMs }) => atMs > begins)];
}
