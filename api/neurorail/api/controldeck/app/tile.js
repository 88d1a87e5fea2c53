// @ts-check

import { html } from "../vendor/ui.js";

/** A count that leads to the page that explains it. @param {{name: string, label: string, value: string, note: any, href: string, tone?: string}} props */
export const Tile = ({ name, label, value, note, href, tone = "" }) => html`
  <div class="tile" data-tile=${name} data-tone=${tone}>
    <dt><a href=${href}>${label}</a></dt>
    <dd class="tile-value">${value}</dd>
    <dd class="tile-note" title=${typeof note === "string" ? note : undefined}>${note}</dd>
  </div>
`;
