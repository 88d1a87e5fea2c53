// @ts-check
/** The live stream as a page takes it: in batches, one a frame, never message by message. */

import { sharedWorker } from "./shared-worker.js";
import { StreamSource } from "./stream-source.js";

/** Messages held between two batches; above it the oldest are dropped and counted. */
const PENDING_MAX = 12_000;
/** A hidden page gets no animation frames; it takes its batches by this timer. */
const HIDDEN_BATCH_MS = 500;
/** A frame with more than so many messages is followed by a pause: drawing costs the same for one as for fifty. */
const BUSY_MESSAGES = 8;
const BUSY_BATCH_MS = 50;
/** What a frame may spend on reading messages; the rest waits for the next one, so that the page stays quick. */
const FRAME_MS = 8;
/** Messages between two looks at the clock. */
const SLICE_MESSAGES = 64;
const ALIVE_MS = 20_000;

/**
 * @typedef {"connecting" | "live" | "reconnecting" | "refused" | "closed"} Connection
 * @typedef {{id: string, payload: import("./events.js").Payload}} Message
 * @typedef {{
 *   onConnection: (state: Connection, status: number) => void,
 *   onBatch: (messages: Message[], dropped: number) => void
 * }} Listener
 */

/**
 * Joins the stream that all tabs share, or opens one where tabs cannot share.
 * @param {import("./stream-source.js").Wish} wish @param {Listener} listener @returns {() => void} leaves it
 */
export function joinStream(wish, listener) {
  const joined = new AbortController();
  const take = batches(listener, joined.signal);
  /** @param {any} news */
  function heard(news) {
    if (news.state) listener.onConnection(news.state, news.status);
    else take(news.messages);
  }
  if (sharedWorker === null) {
    const source = new StreamSource(wish);
    source.join(heard);
    return () => {
      joined.abort();
      source.leave(heard);
    };
  }
  const { port } = sharedWorker;
  port.onmessage = ({ data }) => heard(data);
  const { signal } = joined;
  const leave = () => port.postMessage("leave");
  port.postMessage(wish);
  const alive = setInterval(() => port.postMessage("here"), ALIVE_MS);
  addEventListener("pagehide", leave, { signal });
  addEventListener("pageshow", ({ persisted }) => persisted && port.postMessage(wish), { signal });
  return () => {
    clearInterval(alive);
    joined.abort();
    leave();
    port.onmessage = null;
  };
}

/** @param {Listener} listener @param {AbortSignal} signal ends it */
function batches(listener, signal) {
  /** @type {import("./stream-source.js").Raw[]} */
  let pending = [];
  let dropped = 0;
  let scheduled = false;
  let pauseUntilMs = 0;

  function flush() {
    if (!scheduled) return;
    scheduled = false;
    const began = performance.now();
    const lost = dropped;
    dropped = 0;
    /** @type {Message[]} */
    const messages = [];
    let at = 0;
    while (at < pending.length && (at % SLICE_MESSAGES !== 0 || performance.now() - began < FRAME_MS)) {
      const { id, text } = /** @type {import("./stream-source.js").Raw} */ (pending[at]);
      const payload = parse(text);
      if (payload !== null) messages.push({ id, payload });
      at += 1;
    }
    pending = pending.slice(at);
    if (pending.length > 0) schedule();
    else if (at > BUSY_MESSAGES) pauseUntilMs = began + BUSY_BATCH_MS;
    if (messages.length > 0 || lost > 0) listener.onBatch(messages, lost);
  }

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    if (document.hidden) setTimeout(flush, HIDDEN_BATCH_MS);
    else if (performance.now() < pauseUntilMs) setTimeout(() => requestAnimationFrame(flush), pauseUntilMs - performance.now());
    else requestAnimationFrame(flush);
  }

  // The frame that was asked for does not come while the page is hidden.
  addEventListener("visibilitychange", () => document.hidden && setTimeout(flush, HIDDEN_BATCH_MS), { signal, capture: true });

  /** @param {import("./stream-source.js").Raw[]} messages */
  return function take(messages) {
    for (const message of messages) pending.push(message);
    if (pending.length > PENDING_MAX) {
      const excess = pending.length - PENDING_MAX;
      pending = pending.slice(excess);
      dropped += excess;
    }
    schedule();
  };
}

/** @param {string} text @returns {import("./events.js").Payload | null} */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
