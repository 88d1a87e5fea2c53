// @ts-check
/** The worker that all tabs share. The document begins with this: it starts while the rest of the page comes. */

/** Null where tabs cannot share one. */
export const sharedWorker =
  typeof SharedWorker === "undefined" ? null : new SharedWorker(new URL("./stream-worker.js", import.meta.url), { type: "module", name: "controldeck" });
