// @ts-check
/** Starts the page. */

import { html, render } from "../vendor/ui.js";
import { Deck } from "./deck.js";
import { followAddress } from "./route.js";
import { connection, refresh, startClock, takeBatch } from "./store.js";
import { openStream } from "./stream.js";
import { applyScheme } from "./scheme.js";

applyScheme();
render(html`<${Deck} />`, /** @type {HTMLElement} */ (document.getElementById("deck")));
followAddress();
startClock();
refresh();
openStream({
  onConnection(state) {
    // What happened while the connection was away may not come as events: read it.
    if (state === "live") refresh();
    connection.value = state;
  },
  onBatch: takeBatch,
});
