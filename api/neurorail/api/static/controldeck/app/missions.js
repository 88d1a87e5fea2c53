// @ts-check
/** The missions, newest first. */

import { html, useMemo } from "../vendor/ui.js";
import { Marks, State } from "./badge.js";
import { elapsed, TERMINAL } from "./entity.js";
import { ago, count, duration, money, shortId } from "./format.js";
import { link } from "./route.js";
import { codes, missions, missionsLoaded, now, selected } from "./store.js";

export function Missions() {
  const rows = missions.value;
  return html`
    <section class="panel missions" aria-labelledby="missions-title">
      <div class="panel-head">
        <h2 id="missions-title">Missions</h2>
        <span class="panel-note">${rows.length} newest</span>
      </div>
      <div class="scroll" tabindex="0" role="region" aria-label="Missions, newest first">
        <table>
          <thead>
            <tr>
              <th scope="col">Mission</th>
              <th scope="col">Agent</th>
              <th scope="col">State</th>
              <th scope="col" class="number">Started</th>
              <th scope="col" class="number">Duration</th>
              <th scope="col" class="number">Tokens</th>
              <th scope="col" class="number">Cost</th>
              <th scope="col">Flags</th>
            </tr>
          </thead>
          <tbody>
            ${rows.map((row) => html`
              <${Row} key=${row.id} row=${row} chosen=${row.id === selected.value}
                found=${codes.value.get(row.id) ?? NONE} />
            `)}
          </tbody>
        </table>
        ${rows.length === 0 && html`<${Empty} />`}
      </div>
    </section>
  `;
}

/** @type {string[]} */
const NONE = [];

function Empty() {
  if (!missionsLoaded.value) return html`<p class="empty">Reading missions…</p>`;
  return html`
    <p class="empty">
      No mission yet. Point any OpenTelemetry exporter at port 4317 (gRPC) or 4318 (HTTP),
      or run <code>neurorail demo</code>.
    </p>
  `;
}

/** @param {{row: import("./entity.js").Entity, chosen: boolean, found: string[]}} props */
function Row({ row, chosen, found }) {
  // The same element for the same row lets the page skip it while others change.
  return useMemo(() => {
    const marks = row.errorCode && !found.includes(row.errorCode) ? [row.errorCode, ...found] : found;
    return html`
      <tr class=${chosen ? "chosen" : ""} data-mission=${row.id} onClick=${(/** @type {MouseEvent} */ event) => open(event, row.id)}>
        <th scope="row">
          <a class="id" href=${link(row.id)} title=${row.id} aria-current=${chosen ? "true" : undefined}>${shortId(row.id)}</a>
        </th>
        <td class="who"><span class="agent">${row.agent || row.service || "–"}</span>
          ${row.agent && row.service && row.agent !== row.service && html`<span class="service">${row.service}</span>`}</td>
        <td><${State} state=${row.state} /></td>
        <td class="number"><${Ago} at=${row.startedMs ?? row.createdMs} /></td>
        <td class="number"><${Elapsed} row=${row} /></td>
        <td class="number">${row.inputTokens + row.outputTokens > 0 ? count(row.inputTokens + row.outputTokens) : "–"}</td>
        <td class="number"><${Cost} row=${row} /></td>
        <td><${Marks} codes=${marks} flags=${row.flags.filter((flag) => flag !== "derived")} /></td>
      </tr>
    `;
  }, [row, chosen, found]);
}

/** @param {MouseEvent} event @param {string} id */
function open(event, id) {
  const target = /** @type {Element} */ (event.target);
  if (target.closest("a") || String(getSelection()) !== "") return;
  location.hash = link(id);
}

/** @param {{at: number | null}} props */
export function Ago({ at }) {
  if (at === null) return html`–`;
  return html`<time dateTime=${new Date(at).toISOString()} title=${new Date(at).toLocaleString()}>${ago(at, now.value)}</time>`;
}

/** @param {{row: import("./entity.js").Entity}} props */
export function Elapsed({ row }) {
  const running = row.startedMs !== null && row.endedMs === null && !TERMINAL.has(row.state);
  return html`<span>${duration(elapsed(row, running ? now.value : 0))}</span>`;
}

/** @param {{row: import("./entity.js").Entity}} props */
export function Cost({ row }) {
  if (row.costUsd > 0) return html`<span>${money(row.costUsd)}${row.unpriced > 0 ? "+" : ""}</span>`;
  if (row.unpriced > 0) return html`<span class="faint">unpriced</span>`;
  return html`–`;
}
