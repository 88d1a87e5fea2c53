// @ts-check
/** How far a shadow is on its way through the gate of the manifest in force. */

import { html } from "../../vendor/ui.js";
import { time } from "../entity.js";
import { count, duration } from "../format.js";
import { now } from "../store.js";

/** @typedef {{name: string, has: number, needs: number, met: boolean, text: string}} Condition */

/** @param {any} row a shadow as the list has it @param {any} gate of the manifest in force @param {number} atMs @returns {Condition[]} */
function conditions(row, gate, atMs) {
  const found = row.compared ?? {};
  const evaluations = found.evaluations ?? 0;
  const shadowMs = Math.max(0, atMs - (time(row.since) ?? atMs));
  const least = [
    { name: "Evaluations", has: evaluations, needs: gate.min_evaluations, says: count },
    { name: "Time as a shadow", has: shadowMs, needs: gate.min_shadow_ms, says: duration },
  ].map(({ name, has, needs, says }) => ({ name, has, needs, met: has >= needs, text: `${says(has)} of at least ${says(needs)}` }));
  /** @type {[string, number, number][]} */
  const bounds = [
    ["Another mode", found.mode_diverged ?? 0, gate.mode_divergence_percent],
    ["Other limits", found.budget_diverged ?? 0, gate.budget_divergence_percent],
    ["Newly refused", found.newly_refused ?? 0, gate.newly_refused_percent],
  ];
  return [...least, ...bounds.map(([name, differing, most]) => {
    const share = evaluations > 0 ? Math.ceil((differing * 100) / evaluations) : 0;
    return { name, has: share, needs: most, met: share <= most, text: `${count(differing)}, ${share}% of at most ${most}%` };
  })];
}

/** @param {{row: any, gate: any}} props */
export function Gate({ row, gate }) {
  return html`
    <ul class="uses gate" aria-label="The gate">
      ${conditions(row, gate, now.value).map(({ name, has, needs, met, text }) => html`
        <li key=${name} class="use" data-condition=${name} data-met=${String(met)} data-level=${met ? "" : "near"}>
          <span class="use-name">${name}</span><span class="use-text">${text}</span><span class="use-share">${met ? "met" : "unmet"}</span>
          <svg viewBox="0 0 100 5" preserveAspectRatio="none" aria-hidden="true">
            <rect class="use-rail" width="100" height="5" /><rect class="use-run" width=${needs > 0 ? Math.min(100, (has / needs) * 100) : met ? 100 : 0} height="5" />
          </svg>
        </li>`)}
    </ul>
  `;
}
