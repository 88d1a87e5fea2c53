// @ts-check
/** Starts the pages. */

import { effect, html, render } from "../vendor/ui.js";
import { scheme } from "./choice.js";
import { Deck } from "./deck.js";
import { listenForKeys } from "./keys.js";
import { followAddress } from "./route.js";
import { channelsFor, endSession, identify, session, who } from "./session.js";
import { connection, refresh, startClock, takeBatch } from "./store.js";
import { joinStream } from "./stream.js";

/** Leaves the stream, or nothing while nobody is signed in. */
let leave = () => {};

effect(() => {
  leave();
  leave = () => {};
  const reader = session.value === "in" ? who.peek() : null;
  if (reader === null) return;
  leave = joinStream(
    { reader: reader.principal, channels: channelsFor(reader.permissions) },
    {
      onConnection(state, status) {
        // What happened while the connection was away may not come as events: read it.
        if (state === "live") refresh();
        connection.value = state;
        if (status === 401) endSession("");
      },
      onBatch: takeBatch,
    },
  );
  refresh();
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
void identify();
