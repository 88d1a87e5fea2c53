// @ts-check
/** Shares of a whole, as a ring with its numbers beside it. */

import { html } from "../../vendor/ui.js";
import { count, percent } from "../format.js";
import { EmptyLog, Panel } from "../panel.js";

const COLOURS = ["failed", "timeout", "enforcement", "audit", "pending", "running", "metrics"];
const R = 42;
const AROUND = 2 * Math.PI * R;

/** @param {{title: string, name: string, parts: [string, number][], log: import("../event-log.js").EventLog}} props `log`: what the parts were counted from */
export function Pie({ title, name, parts, log }) {
  const sum = parts.reduce((all, [, value]) => all + value, 0);
  let turned = 0;
  return html`
    <${Panel} name=${name} class="pie" title=${title} note=${sum > 0 ? `${count(sum)} in all` : ""}>
      ${sum === 0 && html`<${EmptyLog} log=${log}><p><strong>No budget was broken.</strong></p><p>Every entity stays within its limits.</p><//>`}
      ${sum > 0 && html`
        <div class="pie-box">
          <svg viewBox="0 0 112 112" role="img" aria-label=${parts.map(([kind, value]) => `${value} ${words(kind)}`).join(", ")}>
            ${parts.map(([kind, value], at) => {
              const length = (value / sum) * AROUND;
              const offset = turned;
              turned += length;
              const gap = parts.length > 1 ? Math.min(2, length / 2) : 0;
              return html`<circle key=${kind} data-part=${kind} cx="56" cy="56" r=${R} style=${{ stroke: `var(--${COLOURS[at % COLOURS.length]})` }}
                stroke-dasharray=${`${length - gap} ${AROUND}`} stroke-dashoffset=${-offset} />`;
            })}
            <text x="56" y="55" class="pie-sum">${count(sum)}</text><text x="56" y="69" class="pie-word">${sum === 1 ? "violation" : "violations"}</text>
          </svg>
          <ul class="legend tall">
            ${parts.map(([kind, value], at) => html`
              <li key=${kind} data-kind=${kind}><i style=${{ background: `var(--${COLOURS[at % COLOURS.length]})` }}></i>${words(kind)}<b>${count(value)}</b><span class="faint">${percent(value / sum)}</span></li>`)}
          </ul>
        </div>`}
    <//>
  `;
}

/** @param {string} kind */
const words = (kind) => String(kind).replaceAll("_", " ");
