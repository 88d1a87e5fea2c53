// @ts-check
/** Starts the pages. */

import { effect, html, render } from "../vendor/ui.js";
import { scheme } from "./choice.js";
import { Deck } from "./deck.js";
import { listenForKeys } from "./keys.js";
import { followAddress } from "./route.js";
import { channelsFor, current, identify, session, turnedAway, who } from "./session.js";
import { clearEvents, connection, refresh, startClock, takeBatch } from "./store.js";
import { joinStream } from "./stream.js";

/** Leaves the stream; null while nobody reads. @type {(() => void) | null} */
let leave = null;
/** The session that the stream was asked for in. */
let asked = "";

effect(() => {
  const reader = session.value === "in" ? who.value : null;
  // The first key closes the server under whoever made it: the session that it begins asks again.
  const again = connection.value === "refused" && asked !== current();
  if (reader !== null && leave !== null && !again) return;
  leave?.();
  leave = null;
  if (reader === null) return;
  const sent = (asked = current());
  clearEvents(); // A stream begins with those that the server holds.
  leave = joinStream(
    { reader: reader.principal, channels: channelsFor(reader.permissions) },
    {
      onConnection(state, status) {
        // What happened while the connection was away may not come as events: read it.
        if (state === "live") refresh();
        connection.value = state;
        if (status === 401) turnedAway("", sent);
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
