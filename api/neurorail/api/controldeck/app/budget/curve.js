// @ts-check
/** What was left of a limit over time, and where that leads. */

/**
 * @typedef {import("../events.js").StreamEvent} StreamEvent
 * @typedef {{atMs: number, left: number}} Point
 */

/** Points of one curve. */
export const POINTS_MAX = 1000;
/** A projection is drawn for at most this many times as long as what was. */
const AHEAD_MAX = 20;

/** Types of events that use up a limit of a kind. @param {string} kind as `missionUses` calls it */
export const typesFor = (kind) => (kind === "retries" ? ["retry_attempted"] : ["cost_tracked", "usage_moved"]);

/** What an event used of a mission's limit, in the limit's unit; less than 0 when it was taken back. @param {StreamEvent} event @param {string} mission @param {string} kind */
export function usedBy(event, mission, kind) {
  const { data } = event;
  const used = amountOf(data, kind);
  if (event.type !== "usage_moved") return used;
  const came = data.to_ids?.[0] === mission;
  const went = data.from_ids?.[0] === mission;
  return came === went ? 0 : came ? used : -used;
}

/** @param {Record<string, any>} data @param {string} kind @returns {number} */
function amountOf(data, kind) {
  switch (kind) {
    case "tokens":
      return data.llm_tokens ?? 0;
    case "input tokens":
      return data.input_tokens ?? 0;
    case "output tokens":
      return data.output_tokens ?? 0;
    case "cost":
      return data.cost ?? data.cost_usd ?? 0;
    case "tool calls":
      return Number(data.operation === "tool");
    case "model calls":
      return Number(data.operation !== "tool");
    default:
      return 1;
  }
}

/**
 * The steps down to what is left now, found backwards from what the server says is consumed.
 *
 * @param {{atMs: number, used: number}[]} uses newest first
 * @param {{limit: number, consumed: number, now: Point, beginMs: number | null}} known beginMs: null where what came before `uses` is not known
 * @returns {Point[]} oldest first, at most POINTS_MAX
 */
export function stepsOf(uses, { limit, consumed, now, beginMs }) {
  const most = POINTS_MAX - 2;
  const points = [now];
  let sum = consumed;
  for (const { atMs, used } of uses.slice(0, most)) {
    points.push({ atMs, left: within(limit - sum, limit) });
    sum -= used;
  }
  if (beginMs !== null && uses.length <= most) points.push({ atMs: Math.min(beginMs, points.at(-1)?.atMs ?? beginMs), left: within(limit - sum, limit) });
  return points.reverse();
}

/** @param {number} value @param {number} limit */
const within = (value, limit) => Math.min(limit, Math.max(0, value));

/**
 * The projection from the last point: to 0, or to where it is cut.
 *
 * @param {Point[]} points @param {number | null} lastsMs until nothing is left; null where nobody can say @param {number} [untilMs] when the limit renews
 * @returns {{points: Point[], cut: boolean}} cut: it leads on past the end of the chart
 */
export function aheadOf(points, lastsMs, untilMs = Infinity) {
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last || lastsMs === null || lastsMs <= 0 || last.left <= 0) return { points: [], cut: false };
  const renews = Math.max(0, untilMs - last.atMs);
  const shown = Math.max(60_000, (last.atMs - first.atMs) * AHEAD_MAX);
  const ms = Math.min(lastsMs, renews, shown);
  return { points: [{ atMs: last.atMs + ms, left: last.left * (1 - ms / lastsMs) }], cut: shown < Math.min(lastsMs, renews) };
}

/** Both lines for the chart. @param {Point[]} points @param {Point[]} ahead @returns {import("../time-chart.js").Data} */
export function dataOf(points, ahead) {
  const all = [...points, ...ahead];
  const joint = points.length - 1;
  return [
    all.map(({ atMs }) => atMs / 1000),
    all.map(({ left }, at) => (at <= joint ? left : null)),
    all.map(({ left }, at) => (at < joint || ahead.length === 0 ? null : left)),
  ];
}

/** Some of many, the first and the last among them. @template T @param {T[]} all @param {number} most @returns {T[]} */
export function someOf(all, most) {
  if (all.length <= most) return all;
  return Array.from({ length: most }, (_, at) => /** @type {T} */ (all[Math.round((at * (all.length - 1)) / (most - 1))]));
}
