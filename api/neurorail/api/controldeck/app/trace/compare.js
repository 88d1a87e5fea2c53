// @ts-check
/** Two missions side by side: what each took, and both waterfalls on one scale. */

import { html, signal } from "../../vendor/ui.js";
import { State } from "../badge.js";
import { elapsed } from "../entity.js";
import { count, duration, exactMoney, money, percent, shortId } from "../format.js";
import { Nothing, Panel } from "../panel.js";
import { link, traceLink } from "../route.js";
import { codes, now } from "../store.js";
import { useMission } from "./mission-data.js";
import { bounds, Waterfall } from "./waterfall.js";

/** @typedef {import("../entity.js").Entity} Entity */

/** @type {[string, (entity: Entity) => number, (value: number) => string][]} */
const MEASURES = [
  ["Duration", (entity) => elapsed(entity, now.value) ?? 0, duration],
  ["Cost", (entity) => entity.costUsd, money],
  ["Input tokens", (entity) => entity.inputTokens, count],
  ["Output tokens", (entity) => entity.outputTokens, count],
  ["Model calls", (entity) => entity.modelCalls, count],
  ["Tool calls", (entity) => entity.toolCalls, count],
  ["Attempts", (entity) => entity.attempts, count],
  ["Retries", (entity) => entity.retries, count],
  ["Violations seen", (entity) => (codes.value.get(entity.id) ?? []).length, count],
];
const focus = signal("");

/** @param {{ids: [string, string]}} props */
export function Compare({ ids }) {
  const left = useMission(ids[0]);
  const right = useMission(ids[1]);
  const sides = [left, right].map(({ data }, at) => ({
    data, entities: data.entities.value, mission: data.entities.value.find((entity) => entity.id === ids[at]),
  }));
  const [a, b] = sides.map((side) => side.mission);
  const spans = sides.map((side) => bounds(side.entities.map((entity) => ({ entity }))));
  const longest = Math.max(...spans.map((span) => (span.open ? Math.max(span.to, now.value) : span.to) - span.from));
  return html`
    <nav class="crumbs" aria-label="Where this is"><a href=${link("trace")}>All missions</a><span aria-hidden="true">/</span><span>Compare</span></nav>
    <${Panel} name="compare" class="compare" title="Two missions" note="second against first">
      <div class="scroll" tabindex="0" role="region" aria-label="Comparison">
        ${a && b ? html`<${Table} a=${a} b=${b} />` : html`<${Nothing} loading=${!sides.some((side) => side.data.problem.value)} problem=${sides.map((side) => side.data.problem.value).find(Boolean) ?? ""} />`}
      </div>
    <//>
    <div class="columns halves">
      ${sides.map(({ entities, mission }, at) => mission && html`
        <${Panel} key=${mission.id} name=${`chain-${at}`} class="chain" title=${at === 0 ? "First" : "Second"} note=${shortId(mission.id)}
          tools=${html`<a class="button" href=${traceLink(mission.id)}>Open</a>`}>
          <${Waterfall} entities=${entities} root=${mission.id} focus=${focus.value} onFocus=${(/** @type {string} */ id) => (focus.value = id)}
            label=${`Entities of ${mission.id}`} axis=${{ from: spans[at]?.from ?? 0, to: (spans[at]?.from ?? 0) + longest, open: false }} />
        <//>`)}
    </div>
  `;
}

/** @param {{a: Entity, b: Entity}} props */
function Table({ a, b }) {
  return html`
    <table>
      <thead><tr><th scope="col">Measure</th>${[a, b].map((entity) => html`<th scope="col" class="number" key=${entity.id}><a class="id" href=${traceLink(entity.id)}>${shortId(entity.id)}</a></th>`)}<th scope="col" class="number">Difference</th></tr></thead>
      <tbody>
        <tr><th scope="row">Agent</th><td class="number">${a.agent || a.service}</td><td class="number">${b.agent || b.service}</td><td></td></tr>
        <tr><th scope="row">State</th><td class="number"><${State} state=${a.state} /></td><td class="number"><${State} state=${b.state} /></td><td></td></tr>
        ${MEASURES.map(([name, of, write]) => html`<${Measure} key=${name} name=${name} a=${of(a)} b=${of(b)} write=${write} />`)}
      </tbody>
    </table>
  `;
}

/** @param {{name: string, a: number, b: number, write: (value: number) => string}} props */
function Measure({ name, a, b, write }) {
  // Sums of floating point numbers differ where amounts do not: money has 12 places.
  const change = Number((b - a).toFixed(12));
  const size = write === money ? exactMoney(Math.abs(change)) : write(Math.abs(change));
  const same = size === write(0);
  const sign = change > 0 ? "+" : "−";
  return html`
    <tr data-measure=${name}><th scope="row">${name}</th><td class="number">${write(a)}</td><td class="number">${write(b)}</td>
      <td class="number" data-change=${same ? 0 : Math.sign(change)}>${same ? "same" : `${sign}${size}${a > 0 ? ` (${sign}${percent(Math.abs(change) / a)})` : ""}`}</td></tr>
  `;
}
