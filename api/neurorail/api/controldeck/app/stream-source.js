// @ts-check
/** One connection for every page: holds what came last, so that a page that joins sees it at once. */

import { openStream } from "../neurorail-stream.js";
import { HOME } from "./home.js";

/** Messages held for pages that join later. */
const HELD_MAX = 5000;
/** Messages of one moment travel together; the first of a quiet time travels at once. */
const GATHER_MS = 12;
/** Ids remembered, so that a replay after a fresh connection shows nothing twice. */
const SEEN_MAX = 20_000;

/**
 * @typedef {{id: string, text: string}} Raw
 * @typedef {{state: string, status: number} | {messages: Raw[]}} News
 * @typedef {(news: News) => void} Listener
 */

/** @typedef {{reader: string, channels: string[]}} Wish who reads, and which channels; none means all */

export class StreamSource {
  /** @param {Wish} wish */
  constructor(wish) {
    this.wish = wish;
    this.status = 0;
    /** @type {Set<Listener>} */
    this.listeners = new Set();
    /** @type {Raw[]} */
    this.held = [];
    /** @type {Raw[]} */
    this.gathered = [];
    this.state = "connecting";
    this.seen = new Recent(SEEN_MAX);
    this.lastSentMs = 0;
    this.scheduled = false;
    /** @type {{close: () => void} | null} */
    this.stream = null;
  }

  /** @param {Listener} listener */
  join(listener) {
    this.listeners.add(listener);
    listener({ state: this.state, status: this.status });
    if (this.held.length > 0) listener({ messages: this.held.slice() });
    // Who was refused may have signed in meanwhile.
    if (this.state === "refused") this.stream = null;
    this.stream ??= openStream({
      url: new URL("../api/neurorail/v1/stream/events", HOME),
      channels: this.wish.channels,
      onText: (id, text) => this.take(id, text),
      onState: (state, status) => this.become(state, status),
    });
  }

  /** @param {Listener} listener */
  leave(listener) {
    this.listeners.delete(listener);
    if (this.listeners.size > 0) return;
    // Nobody reads: the server need not send.
    this.stream?.close();
    this.stream = null;
  }

  /** @param {string} state @param {number} status */
  become(state, status) {
    this.state = state;
    this.status = status;
    for (const listener of this.listeners) listener({ state, status });
  }

  /** @param {string} id @param {string} text */
  take(id, text) {
    // A lag notice has no id of its own.
    if (id !== "" && !this.seen.add(id)) return;
    this.gathered.push({ id, text });
    if (this.scheduled) return;
    this.scheduled = true;
    setTimeout(() => this.send(), Math.max(0, this.lastSentMs + GATHER_MS - Date.now()));
  }

  send() {
    this.scheduled = false;
    this.lastSentMs = Date.now();
    const messages = this.gathered;
    this.gathered = [];
    this.held.push(...messages);
    if (this.held.length > 2 * HELD_MAX) this.held = this.held.slice(-HELD_MAX);
    for (const listener of this.listeners) listener({ messages });
  }
}

/** The last ids added, at least half of `limit` of them. */
class Recent {
  /** @param {number} limit */
  constructor(limit) {
    this.limit = limit;
    /** @type {Set<string>} */
    this.young = new Set();
    /** @type {Set<string>} */
    this.old = new Set();
  }

  /** False when it was there already. @param {string} id */
  add(id) {
    if (this.young.has(id) || this.old.has(id)) return false;
    this.young.add(id);
    if (this.young.size >= this.limit / 2) {
      this.old = this.young;
      this.young = new Set();
    }
    return true;
  }
}
