// @ts-check
/** Missions of all times, newest first, read page by page as a reader scrolls: what a filter leaves of them is known only then. */

import { signal } from "../../vendor/ui.js";
import { get, query } from "../api.js";
import { readEntity } from "../entity.js";

/** @typedef {import("../entity.js").Entity} Entity */

/** Missions that one reading asks for. */
const PAGE = 1000;
/** Missions that are held; who wants more narrows the list. */
const PAST_MAX = 100_000;

export class Past {
  constructor() {
    this.rows = signal(/** @type {Entity[] | null} */ (null));
    this.problem = signal("");
    this.asked = "";
    this.cursor = /** @type {string | null} */ ("");
    this.busy = false;
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
    this.rows.value = null;
    this.problem.value = "";
    void this.more();
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
    if (asked !== this.asked) void this.more();
  }
}
