// @ts-check
/**
 * NeuroRail's live events for any front-end: one file, no dependency.
 *
 *     import { openStream } from "https://rail.example/neurorail/neurorail-stream.js";
 *     const stream = openStream({
 *       channels: ["enforcement"],
 *       onEvent: (event) => console.log(event.event_type, event.data),
 *       onState: (state) => console.log(state),
 *     });
 *     stream.close();
 *
 * It reads with `fetch`, so that a key can be sent in a header, which EventSource cannot. A broken
 * connection is opened again and resumes after the last event seen, also when the server restarted.
 */

/** @typedef {"connecting" | "live" | "reconnecting" | "refused" | "closed"} StreamState */
/**
 * @typedef {{id: string, channel: string, event_type: string, timestamp: number, data: Record<string, any>}} RailEvent
 * `timestamp` is when the server received it, in Unix seconds.
 */
/**
 * @typedef {object} StreamOptions
 * @property {string | URL} [url] of `stream/events`; without it that of the server this file came from
 * @property {string[]} [channels] audit, lifecycle, metrics, reflex, governor, enforcement; none means all
 * @property {string[]} [eventTypes] none means all
 * @property {string[]} [entityIds] of any level of the chain; none means all
 * @property {boolean} [replay] begin with what the server holds in memory (default true)
 * @property {string} [lastEventId] begin after this event instead
 * @property {Record<string, string>} [headers] such as `{Authorization: "Bearer …"}`
 * @property {RequestCredentials} [credentials] of `fetch`; default "same-origin"
 * @property {(event: RailEvent) => void} [onEvent]
 * @property {(id: string, text: string) => void} [onText] instead of `onEvent`: the JSON, unread
 * @property {(state: StreamState, status: number) => void} [onState] `status`: of the answer, or 0
 */

const HERE = new URL("../api/neurorail/v1/stream/events", import.meta.url);
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 10_000;
/** The server writes a comment at least every 15 seconds: a longer silence is a dead connection. */
const SILENCE_MS_MAX = 45_000;

/** @param {StreamOptions} options @returns {{close: () => void, readonly lastEventId: string, readonly state: StreamState}} */
export function openStream(options) {
  const url = address(options);
  let lastEventId = options.lastEventId ?? "";
  let retryMs = RETRY_MS_MIN;
  let closed = false;
  /** @type {StreamState} */
  let state = "connecting";
  let request = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;

  /** @param {StreamState} next @param {number} [status] */
  function become(next, status = 0) {
    if (state === next && next !== "connecting") return;
    state = next;
    options.onState?.(next, status);
  }

  /** @param {string} id @param {string} text */
  function deliver(id, text) {
    if (closed) return;
    if (id !== "") lastEventId = id;
    if (options.onText) options.onText(id, text);
    else options.onEvent?.({ id, ...JSON.parse(text) });
  }

  async function read() {
    request = new AbortController();
    /** @type {Record<string, string>} */
    const headers = { Accept: "text/event-stream", ...options.headers };
    if (lastEventId !== "") headers["Last-Event-ID"] = lastEventId;
    /** @type {Response} */
    let answer;
    try {
      answer = await fetch(url, {
        headers, signal: request.signal, cache: "no-store", credentials: options.credentials ?? "same-origin",
      });
    } catch {
      return again();
    }
    if (!answer.ok || answer.body === null) return refused(answer);
    retryMs = RETRY_MS_MIN;
    become("live", answer.status);
    const parser = new EventParser(deliver, (ms) => (retryMs = Math.min(Math.max(ms, RETRY_MS_MIN), RETRY_MS_MAX)));
    await drain(answer.body, parser, request).catch(() => undefined);
    again();
  }

  /** @param {Response} answer */
  function refused(answer) {
    const { status } = answer;
    // What the caller asked is wrong or not allowed: asking again changes nothing.
    if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
      closed = true;
      return become("refused", status);
    }
    const seconds = Number(answer.headers.get("Retry-After"));
    again(seconds > 0 ? seconds * 1000 : undefined);
  }

  /** @param {number} [afterMs] */
  function again(afterMs) {
    if (closed) return;
    become("reconnecting");
    // A little chance, so that a thousand pages do not come back in one moment.
    waiting = setTimeout(read, afterMs ?? retryMs * (0.75 + Math.random() / 2));
    retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
  }

  options.onState?.(state, 0);
  void read();
  return {
    close() {
      closed = true;
      clearTimeout(waiting);
      request.abort();
      become("closed");
    },
    get lastEventId() {
      return lastEventId;
    },
    get state() {
      return state;
    },
  };
}

/** @param {StreamOptions} options */
function address(options) {
  const url = new URL(options.url ?? HERE, HERE);
  for (const channel of options.channels ?? []) url.searchParams.append("channels", channel);
  for (const type of options.eventTypes ?? []) url.searchParams.append("event_types", type);
  for (const id of options.entityIds ?? []) url.searchParams.append("entity_ids", id);
  if (options.replay === false) url.searchParams.set("replay_buffer", "false");
  return url;
}

/** Reads to the end, or until nothing was heard for too long. @param {ReadableStream<Uint8Array>} body @param {EventParser} parser @param {AbortController} request */
async function drain(body, parser, request) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let heardMs = Date.now();
  const watch = setInterval(() => {
    if (Date.now() - heardMs > SILENCE_MS_MAX) request.abort();
  }, SILENCE_MS_MAX / 3);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heardMs = Date.now();
      parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    clearInterval(watch);
  }
}

/** Server-sent events out of text that arrives in any pieces. */
export class EventParser {
  /** @param {(id: string, text: string) => void} onMessage @param {(ms: number) => void} onRetry */
  constructor(onMessage, onRetry) {
    this.onMessage = onMessage;
    this.onRetry = onRetry;
    this.rest = "";
    this.id = "";
    /** @type {string[]} */
    this.data = [];
  }

  /** @param {string} text */
  push(text) {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop() ?? "";
    for (const line of lines) this.take(line.endsWith("\r") ? line.slice(0, -1) : line);
  }

  /** @param {string} line */
  take(line) {
    if (line === "") {
      if (this.data.length > 0) this.onMessage(this.id, this.data.join("\n"));
      this.data = [];
      this.id = "";
      return;
    }
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") this.data.push(value);
    else if (field === "id") this.id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.onRetry(Number(value));
  }
}
