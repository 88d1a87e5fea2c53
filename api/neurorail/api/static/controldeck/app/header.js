// @ts-check
import { html } from "../vendor/ui.js";
import { nextScheme, scheme } from "./scheme.js";
import { connection } from "./store.js";

const SAYS = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting" };
const SCHEMES = { system: "Auto theme", dark: "Dark theme", light: "Light theme" };

export function Header() {
  return html`
    <header class="top">
      <a class="brand" href="./">
        <${Mark} />
        <span class="brand-name">NeuroRail</span>
        <span class="brand-page">ControlDeck</span>
      </a>
      <nav class="links" aria-label="More">
        <a href="../docs">API</a>
        <a href="../metrics">Metrics</a>
      </nav>
      <button type="button" class="quiet" onClick=${nextScheme} title="Colour scheme">
        <span class="unseen">Colour scheme: </span>${SCHEMES[scheme.value]}
      </button>
      <p class="connection" role="status" data-connection=${connection.value}>
        <span class="dot" aria-hidden="true"></span>${SAYS[connection.value]}
      </p>
    </header>
  `;
}

function Mark() {
  return html`
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path class="mark-rail" d="M9 4v24M23 4v24" />
      <path class="mark-tie" d="M9 9h14M9 16h14M9 23h14" />
      <circle class="mark-node" cx="16" cy="16" r="4" />
    </svg>
  `;
}
