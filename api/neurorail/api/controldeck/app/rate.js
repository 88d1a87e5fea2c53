// @ts-check
/** Events per second over the last minute, by the time the server received them. */

const RATE_SECONDS = 60;

export class Rate {
  constructor() {
    /** @type {Map<number, number>} second → events */
    this.bySecond = new Map();
  }

  /** @param {number} atMs */
  add(atMs) {
    const second = Math.floor(atMs / 1000);
    this.bySecond.set(second, (this.bySecond.get(second) ?? 0) + 1);
  }

  /** One number per second, oldest first, ending with the last whole second. @param {number} nowMs */
  series(nowMs) {
    const last = Math.floor(nowMs / 1000) - 1;
    for (const second of this.bySecond.keys()) {
      if (second <= last - RATE_SECONDS) this.bySecond.delete(second);
    }
    return Array.from(
      { length: RATE_SECONDS },
      (_, at) => this.bySecond.get(last - RATE_SECONDS + 1 + at) ?? 0,
    );
  }
}
