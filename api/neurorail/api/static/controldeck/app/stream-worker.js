// @ts-check
/** Runs once for all tabs of a browser, so that together they take one connection of the server. */

import { StreamSource } from "./stream-source.js";

/** A page says every 20 seconds that it is there; one that crashed is forgotten after this. */
const SILENT_MS_MAX = 180_000;

const source = new StreamSource();
/** @type {Map<MessagePort, {listener: import("./stream-source.js").Listener, heardMs: number}>} */
const pages = new Map();

/** @param {MessagePort} port */
function forget(port) {
  const page = pages.get(port);
  if (page) source.leave(page.listener);
  pages.delete(port);
}

addEventListener("connect", (event) => {
  const port = /** @type {MessageEvent} */ (event).ports[0];
  if (!port) return;
  const listener = (/** @type {import("./stream-source.js").News} */ news) => port.postMessage(news);
  port.onmessage = ({ data }) => {
    if (data === "leave") return forget(port);
    const page = pages.get(port);
    if (page) page.heardMs = Date.now();
    else {
      pages.set(port, { listener, heardMs: Date.now() });
      source.join(listener);
    }
  };
});

setInterval(() => {
  for (const [port, { heardMs }] of pages) {
    if (Date.now() - heardMs > SILENT_MS_MAX) forget(port);
  }
}, SILENT_MS_MAX / 6);
