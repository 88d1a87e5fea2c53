// @ts-check
/** All missions there ever were, newest first: read page by page as far down as a reader looks, for a list that stands for the whole. */

import { signal } from "../../vendor/ui.js";
import { get, query } from "../api.js";
import { readEntity } from "../entity.js";

/** @typedef {import("../entity.js").Entity} Entity */

/** Missions that one reading asks for. */
const PAGE = 1000;
/** Missions that are held; who wants more narrows the list. */
export const PAST_MAX = 100_000;

export class Past {
  constructor() {
    this.rows = signal(/** @type {Entity[] | null} */ (null));
    this.problem = signal("");
    this.asked = "";
    this.cursor = /** @type {string | null} */ ("");
    this.busy = false;
    /** The row that a reader looks at. */
    this.wanted = 0;
  }

  /** Whether there is more than was read. */
  get open() {
    return this.cursor !== null;
  }

  /** @param {Record<string, string>} wish */
  ask(wish) {
    const text = query({ ...wish, paged: "true", limit: PAGE });
    if (text === this.asked) return;
    this.asked = text;
    this.cursor = "";
    this.wanted = 0;
    this.rows.value = null;
    this.problem.value = "";
    void this.more();
  }

  /** Reads on until a row is there. @param {number} index */
  reach(index) {
    this.wanted = index;
    if (index >= (this.rows.value ?? []).length) void this.more();
  }

  /** What failed is asked for again. */
  again() {
    this.problem.value = "";
    void this.more();
  }

  async more() {
    if (this.busy || this.cursor === null || this.problem.value !== "") return;
    this.busy = true;
    const asked = this.asked;
    try {
      const answer = await get(`missions?${asked}${this.cursor ? `&cursor=${encodeURIComponent(this.cursor)}` : ""}`);
      if (asked === this.asked) {
        const rows = [...(this.rows.value ?? []), ...answer.missions.map(readEntity)];
        this.cursor = rows.length < PAST_MAX ? answer.next_cursor : null;
        this.rows.value = rows;
      }
    } catch (failed) {
      if (asked === this.asked) this.problem.value = failed instanceof Error ? failed.message : String(failed);
    }
    this.busy = false;
    if (asked !== this.asked || this.wanted >= (this.rows.value ?? []).length) void this.more();
  }

  /**
   * What was read, and places for what was not.
   * @param {number} total how many there are, as far as is known
   */
  whole(total) {
    const rows = this.rows.value ?? [];
    return {
      length: this.open ? Math.max(rows.length, Math.min(total, PAST_MAX)) : rows.length,
      at: (/** @type {number} */ index) => rows[index],
      slice: (/** @type {number} */ from, /** @type {number} */ to) => Array.from({ length: to - from }, (_, step) => rows[from + step]),
    };
  }
}
