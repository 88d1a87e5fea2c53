// @ts-check
/** Starts the pages. */

import { effect, html, render } from "../vendor/ui.js";
import { scheme } from "./choice.js";
import { Deck } from "./deck.js";
import { listenForKeys } from "./keys.js";
import { followAddress } from "./route.js";
import { connection, refresh, startClock, takeBatch } from "./store.js";
import { joinStream } from "./stream.js";

joinStream({
  onConnection(state) {
    // What happened while the connection was away may not come as events: read it.
    if (state === "live") refresh();
    connection.value = state;
  },
  onBatch: takeBatch,
});
effect(() => {
  const root = document.documentElement;
  if (scheme.value === "system") delete root.dataset.scheme;
  else root.dataset.scheme = scheme.value;
});
followAddress();
listenForKeys();
render(html`<${Deck} />`, /** @type {HTMLElement} */ (document.getElementById("deck")));
startClock();
refresh();
