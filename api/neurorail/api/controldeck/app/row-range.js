// @ts-check
/**
 * Rows of which the server has more than a page should hold. The list stands for all of them, as far
 * as a scroll bar can; pages come where a reader looks and a little beyond, and go again.
 */

import { batch, signal } from "../vendor/ui.js";

/** Rows of a page: few enough to be read between two movements of a scroll bar. */
export const PAGE = 500;
/** Pages that are held; those farthest from where the reader is go first. */
const PAGES_MAX = 40;
/** What arrives at the top is held beside the pages, up to so many; then everything is read anew. */
const FRESH_MAX = 2000;
/** A browser draws no element higher than about 17 million pixels. */
export const ROWS_MAX = 400_000;
/** Rows that one export holds. */
const EXPORT_MAX = 100_000;
const EXPORT_PAGE = 1000;

/**
 * @template T
 * @typedef {{rows: T[], first: string | null, next: string | null, total: number | null}} Page
 * `first`: a cursor at the first row; `next`: after the last, null at the end
 */
/**
 * @template T
 * @typedef {(wish: {cursor: string, skip: number, upward: boolean, counted: boolean, limit: number}) => Promise<Page<T>>} Read
 * `cursor` "": from the newest; `upward`: the rows before the cursor instead of after it
 */

/** @template T */
export class RowRange {
  /** @param {Read<T>} read @param {(row: T) => string} keyOf @param {(a: T, b: T) => number} compare below 0 when `a` came before `b` @param {boolean} [bothWays] whether `read` goes upward too */
  constructor(read, keyOf, compare, bothWays = true) {
    this.read = read;
    this.bothWays = bothWays;
    this.keyOf = keyOf;
    this.compare = compare;
    /** Changes whenever rows do. */
    this.version = signal(0);
    this.state = signal(/** @type {"loading" | "ready" | "failed"} */ ("loading"));
    this.problem = signal("");
    /** Rows of the server when the first page was read. */
    this.counted = 0;
    /** Newest first; they came after the first page was read. @type {T[]} */
    this.fresh = [];
    /** Came while the first page was being read, which may have them or not. @type {T[]} */
    this.early = [];
    /** Held back while the reader looks at older ones. @type {T[]} */
    this.waiting = [];
    this.still = false;
    /** @type {Map<number, T[]>} */
    this.pages = new Map();
    /** Page → cursor that it begins after. @type {Map<number, string>} */
    this.begins = new Map([[0, ""]]);
    /** Page → cursor at its first row. @type {Map<number, string>} */
    this.firsts = new Map();
    this.looked = { from: 0, to: PAGE };
    this.busy = false;
    this.closed = false;
  }

  /** Rows there are, as far as a list can show them. */
  get length() {
    return Math.min(this.fresh.length + this.counted, ROWS_MAX);
  }

  /** Of the server, with those that wait. */
  get total() {
    return this.fresh.length + this.waiting.length + this.counted;
  }

  /** Rows that are held. */
  get held() {
    let sum = this.fresh.length;
    for (const page of this.pages.values()) sum += page.length;
    return sum;
  }

  /** @param {number} index @returns {T | undefined} undefined while it is being read */
  at(index) {
    if (index < this.fresh.length) return this.fresh[index];
    const below = index - this.fresh.length;
    return this.pages.get(Math.floor(below / PAGE))?.[below % PAGE];
  }

  /** @param {number} from @param {number} to @returns {(T | undefined)[]} */
  slice(from, to) {
    const end = Math.min(to, this.length);
    return Array.from({ length: Math.max(0, end - from) }, (_, step) => this.at(from + step));
  }

  /** Says what is in sight; it, and the pages beside it, are read. @param {number} from @param {number} to */
  look(from, to) {
    this.looked = { from, to };
    void this.fill();
  }

  /** The pages that are wanted and not there, the most urgent first. */
  missing() {
    const shift = this.fresh.length;
    const first = Math.floor(Math.max(0, this.looked.from - shift) / PAGE);
    const last = Math.floor(Math.max(0, this.looked.to - 1 - shift) / PAGE);
    const end = Math.max(0, Math.ceil(this.counted / PAGE) - 1);
    const wanted = [];
    for (let page = first; page <= last; page += 1) wanted.push(page);
    // Ahead in both directions: who scrolls on finds them there.
    wanted.push(last + 1, first - 1, last + 2);
    return wanted.filter((page) => page >= 0 && page <= end && !this.pages.has(page));
  }

  async fill() {
    if (this.busy || this.closed) return;
    this.busy = true;
    try {
      for (let page = this.missing()[0]; page !== undefined && !this.closed; page = this.missing()[0]) {
        await this.load(page);
      }
      this.problem.value = "";
    } catch (failed) {
      this.problem.value = failed instanceof Error ? failed.message : String(failed);
      if (this.pages.size === 0) this.state.value = "failed";
    }
    this.busy = false;
  }

  /** @param {number} page */
  async load(page) {
    const known = this.wayTo(page);
    const answer = await this.read({ ...known, counted: this.state.value !== "ready", limit: PAGE });
    if (this.closed) return;
    batch(() => {
      const rows = known.upward ? answer.rows.reverse() : answer.rows;
      this.pages.set(page, rows);
      if (answer.total !== null) this.counted = Math.max(answer.total, rows.length);
      if (known.upward) {
        if (answer.next !== null) this.firsts.set(page, answer.next);
      } else {
        if (answer.first !== null) this.firsts.set(page, answer.first);
        if (answer.next !== null) this.begins.set(page + 1, answer.next);
        else this.counted = page * PAGE + rows.length; // The end, whatever was counted before.
      }
      this.evict(page);
      this.state.value = "ready";
      const early = this.early;
      this.early = [];
      if (early.length > 0) this.add(early);
      this.version.value += 1;
    });
  }

  /** How a page is found: after the one above it, before the one below it, or so many rows on. @param {number} page */
  wayTo(page) {
    const begin = this.begins.get(page);
    if (begin !== undefined) return { cursor: begin, skip: 0, upward: false };
    const below = this.firsts.get(page + 1);
    if (this.bothWays && below !== undefined) return { cursor: below, skip: 0, upward: true };
    let near = 0;
    for (const known of this.begins.keys()) if (known < page && known > near) near = known;
    const top = this.firsts.get(0);
    // From the newest row that was read, not from the newest there is: rows keep their places.
    if (near === 0 && top !== undefined) return { cursor: top, skip: page * PAGE - 1, upward: false };
    return { cursor: this.begins.get(near) ?? "", skip: (page - near) * PAGE, upward: false };
  }

  /** @param {number} at the page that was read last */
  evict(at) {
    while (this.pages.size > PAGES_MAX) {
      // The first page stays: everything else is counted from it.
      const others = [...this.pages.keys()].filter((page) => page !== 0);
      const farthest = others.reduce((most, page) => (Math.abs(page - at) > Math.abs(most - at) ? page : most));
      this.pages.delete(farthest);
    }
  }

  /** Takes rows that came, newest first. @param {T[]} rows */
  add(rows) {
    if (this.state.value !== "ready") {
      this.early = [...rows, ...this.early].slice(0, FRESH_MAX);
      return;
    }
    const top = this.pages.get(0) ?? [];
    const known = new Set([...this.waiting, ...this.fresh.slice(0, PAGE), ...top].map(this.keyOf));
    // A stream begins with what the server holds in memory: what is older than the first page is on the others.
    const last = top.length === PAGE ? top.at(-1) : undefined;
    const unseen = rows.filter((row) => (last === undefined || this.compare(row, last) > 0) && !known.has(this.keyOf(row)));
    if (this.still) this.waiting = [...unseen, ...this.waiting].slice(0, FRESH_MAX + 1);
    else this.fresh = [...unseen, ...this.fresh];
    if (!this.still && this.fresh.length > FRESH_MAX) this.again();
    this.version.value += 1;
  }

  /** Keeps rows where they are while the reader looks at older ones. @param {boolean} still */
  hold(still) {
    if (this.still === still) return;
    this.still = still;
    if (still || this.waiting.length === 0) return;
    const waited = this.waiting;
    this.waiting = [];
    this.add(waited);
  }

  /** Reads everything anew, from the newest row on. */
  again() {
    this.fresh = [];
    this.early = [];
    this.waiting = [];
    this.pages.clear();
    this.begins = new Map([[0, ""]]);
    this.firsts.clear();
    this.state.value = "loading";
    void this.fill();
  }

  close() {
    this.closed = true;
  }

  /** Every row from the newest on, page by page, at most EXPORT_MAX; nothing of it is kept here. @returns {AsyncGenerator<T[]>} */
  async *all() {
    let cursor = "";
    for (let sum = 0; sum < EXPORT_MAX; ) {
      const page = await this.read({ cursor, skip: 0, upward: false, counted: false, limit: EXPORT_PAGE });
      yield page.rows;
      sum += page.rows.length;
      if (page.next === null) return;
      cursor = page.next;
    }
  }
}
