// @ts-check
/** The page: header, tiles, missions and chain on one side, the live stream on the other. */

import { html } from "../vendor/ui.js";
import { Chain } from "./chain.js";
import { Header } from "./header.js";
import { Missions } from "./missions.js";
import { notice, selected } from "./store.js";
import { Stream } from "./stream-panel.js";
import { Tiles } from "./tiles.js";

export function Deck() {
  return html`
    <${Header} />
    <main class=${selected.value ? "deck with-chain" : "deck"}>
      <h1 class="unseen">ControlDeck</h1>
      <${Tiles} />
      <${Notice} />
      <div class="columns">
        <div class="column">
          <${Missions} />
          ${selected.value && html`<${Chain} />`}
        </div>
        <${Stream} />
      </div>
    </main>
  `;
}

function Notice() {
  if (notice.value === "") return null;
  return html`
    <div class="notice" role="status">
      <span>${notice.value}</span>
      <button type="button" class="quiet" onClick=${() => (notice.value = "")}>Dismiss</button>
    </div>
  `;
}
