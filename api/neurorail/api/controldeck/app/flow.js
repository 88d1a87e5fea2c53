// @ts-check
/** How many entities moved along each edge of the lifecycle in the last minute. */

const SECONDS = 60;

/** @param {string} type of entity @param {string} from "" when it was created @param {string} to */
export const edgeKey = (type, from, to) => `${type} ${from} ${to}`;

export class Flow {
  constructor() {
    /** @type {Map<number, Map<string, number>>} second → edge → moves */
    this.bySecond = new Map();
  }

  /** @param {import("./events.js").StreamEvent} event */
  add({ type, atMs, data }) {
    if (type !== "state_changed") return;
    const second = Math.floor(atMs / 1000);
    let moves = this.bySecond.get(second);
    if (!moves) this.bySecond.set(second, (moves = new Map()));
    for (const kind of [data.entity_type, "all"]) {
      const key = edgeKey(kind, data.from_state ?? "", data.to_state);
      moves.set(key, (moves.get(key) ?? 0) + 1);
    }
  }

  /** @param {number} nowMs @returns {Map<string, number>} */
  perMinute(nowMs) {
    const oldest = Math.floor(nowMs / 1000) - SECONDS;
    /** @type {Map<string, number>} */
    const sums = new Map();
    for (const [second, moves] of this.bySecond) {
      if (second < oldest) this.bySecond.delete(second);
      else for (const [key, count] of moves) sums.set(key, (sums.get(key) ?? 0) + count);
    }
    return sums;
  }
}
