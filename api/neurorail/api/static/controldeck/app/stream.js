// @ts-check
/** The live stream: one EventSource, its messages handed over in batches, never one by one. */

import { address } from "./api.js";

/** Messages held between two batches; above it the oldest are dropped and counted. */
const PENDING_MAX = 5000;
/** Ids remembered, so that a replay after a fresh connection shows nothing twice. */
const SEEN_MAX = 20_000;
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 10_000;
/** A hidden page gets no animation frames; it takes its batches by this timer. */
const HIDDEN_BATCH_MS = 500;

/**
 * @typedef {"connecting" | "live" | "reconnecting"} Connection
 * @typedef {{id: string, payload: import("./events.js").Payload}} Message
 * @typedef {{
 *   onConnection: (state: Connection) => void,
 *   onBatch: (messages: Message[], dropped: number) => void
 * }} Listener
 */

/** Opens the stream and keeps it open. @param {Listener} listener */
export function openStream(listener) {
  /** @type {{id: string, text: string}[]} */
  let pending = [];
  let dropped = 0;
  let scheduled = false;
  let retryMs = RETRY_MS_MIN;
  const seen = new Recent(SEEN_MAX);

  function flush() {
    scheduled = false;
    const taken = pending;
    const lost = dropped;
    pending = [];
    dropped = 0;
    /** @type {Message[]} */
    const messages = [];
    for (const { id, text } of taken) {
      const payload = parse(text);
      if (payload === null) continue;
      // A lag notice has no id of its own: the browser repeats the id of the event before it.
      const news = payload.event_type === "stream_lagged" || id === "" || seen.add(id);
      if (news) messages.push({ id, payload });
    }
    if (messages.length > 0 || lost > 0) listener.onBatch(messages, lost);
  }

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    if (document.hidden) setTimeout(flush, HIDDEN_BATCH_MS);
    else requestAnimationFrame(flush);
  }

  function connect() {
    const source = new EventSource(address("stream/events"));
    source.onopen = () => {
      retryMs = RETRY_MS_MIN;
      listener.onConnection("live");
    };
    source.onmessage = (message) => {
      pending.push({ id: message.lastEventId, text: message.data });
      if (pending.length > PENDING_MAX) {
        const excess = pending.length - PENDING_MAX;
        pending.splice(0, excess);
        dropped += excess;
      }
      schedule();
    };
    source.onerror = () => {
      listener.onConnection("reconnecting");
      // The browser resumes a broken connection by itself, naming the last id it saw; only an
      // answer that is no stream (a proxy's error page) ends the source for good.
      if (source.readyState === EventSource.CLOSED) {
        setTimeout(connect, retryMs);
        retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
      }
    };
  }

  listener.onConnection("connecting");
  connect();
}

/** @param {string} text @returns {import("./events.js").Payload | null} */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
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
