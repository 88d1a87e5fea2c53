// @ts-check
/** Runs once for all tabs of a browser, so that together they take one connection of the server. */

import { StreamSource } from "./stream-source.js";

/** A page says every 20 seconds that it is there; one that crashed is forgotten after this. */
const SILENT_MS_MAX = 180_000;

/** One for each reader; mostly there is one. @type {Map<string, StreamSource>} */
const sources = new Map();
/** @type {Map<MessagePort, {source: StreamSource, listener: import("./stream-source.js").Listener, heardMs: number}>} */
const pages = new Map();

/** @param {import("./stream-source.js").Wish} wish */
function sourceFor(wish) {
  const name = JSON.stringify([wish.reader, wish.channels]);
  const found = sources.get(name) ?? new StreamSource(wish);
  sources.set(name, found);
  return found;
}

/** @param {MessagePort} port */
function forget(port) {
  const page = pages.get(port);
  if (!page) return;
  pages.delete(port);
  page.source.leave(page.listener);
  // What a reader could see is not kept when nobody reads.
  for (const [name, source] of sources) {
    if (source.listeners.size === 0) sources.delete(name);
  }
}

addEventListener("connect", (event) => {
  const port = /** @type {MessageEvent} */ (event).ports[0];
  if (!port) return;
  const listener = (/** @type {import("./stream-source.js").News} */ news) => port.postMessage(news);
  port.onmessage = ({ data }) => {
    if (data === "leave") return forget(port);
    const page = pages.get(port);
    if (page) page.heardMs = Date.now();
    else if (data !== "here") {
      const source = sourceFor(data);
      pages.set(port, { source, listener, heardMs: Date.now() });
      source.join(listener);
    }
  };
});

setInterval(() => {
  for (const [port, { heardMs }] of pages) {
    if (Date.now() - heardMs > SILENT_MS_MAX) forget(port);
  }
}, SILENT_MS_MAX / 6);
