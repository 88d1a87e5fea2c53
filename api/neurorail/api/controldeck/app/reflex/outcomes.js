// @ts-check
/** What share of the calls behind a breaker failed, minute by minute, drawn small. */

import { html } from "../../vendor/ui.js";
import { time } from "../entity.js";
import { count, percent } from "../format.js";
import { now } from "../store.js";

/** Minutes that are drawn, of outcomes and of moves alike. */
export const MINUTES = 20;
const MINUTE_MS = 60_000;
const HEIGHT = 22;

/** @typedef {{minute: string, ended: number, failed: number}} Outcome */

/** @param {Outcome[]} outcomes */
export function failureText(outcomes) {
  const ended = outcomes.reduce((sum, one) => sum + one.ended, 0);
  const failed = outcomes.reduce((sum, one) => sum + one.failed, 0);
  return ended === 0 ? "no call ended" : `${percent(failed / ended)} of ${count(ended)} failed`;
}

/** @param {{outcomes: Outcome[]}} props */
export function Outcomes({ outcomes }) {
  const from = now.value - MINUTES * MINUTE_MS;
  const bars = outcomes.map(({ minute, ended, failed }) => ({
    key: minute, x: (((time(minute) ?? 0) - from) / (MINUTES * MINUTE_MS)) * 100, failed: (failed / ended) * HEIGHT, text: `${failed} of ${ended} failed`,
  }));
  const width = 100 / MINUTES - 0.6;
  return html`
    <svg class="outcomes" viewBox=${`0 0 100 ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${`Failure rate, minute by minute: ${failureText(outcomes)} in ${MINUTES} minutes`}>
      <rect class="outcome-base" width="100" height="1" y=${HEIGHT - 1} />
      ${bars.map(({ key, x, failed, text }) => html`
        <g key=${key} data-outcome=${text}><title>${text}</title>
          <rect class="outcome-ended" x=${x} y="0" width=${width} height=${HEIGHT} /><rect class="outcome-failed" x=${x} y=${HEIGHT - failed} width=${width} height=${failed} />
        </g>`)}
    </svg>
  `;
}
