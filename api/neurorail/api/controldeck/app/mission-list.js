// @ts-check
/** Missions as rows; more columns where there is room. */

import { html } from "../vendor/ui.js";
import { Ago, Broke, Cost, Elapsed, Marks, State } from "./badge.js";
import { count, shortId } from "./format.js";
import { go, traceLink } from "./route.js";
import { codes, missions, missionsLoaded, readProblem, refresh } from "./store.js";
import { Nothing } from "./panel.js";
import { Td, Th, VirtualList } from "./virtual.js";

/** @typedef {import("./entity.js").Entity} Entity */

/** @type {string[]} */
const NONE = [];

/** @param {{rows: import("./virtual.js").Rows<Entity>, wide?: boolean, slim?: boolean, empty?: any, chosen?: Set<string>, onChoose?: (id: string) => void, onEnd?: () => void, onLook?: (from: number, to: number) => void, onFirst?: (row: number) => void}} props `slim`: fewer columns; `onFirst` is told the first row in sight */
export function MissionList({ rows, wide = false, slim = false, empty, chosen, onChoose, onEnd, onLook, onFirst }) {
  const template = [
    onChoose && "22px", "minmax(100px, 1fr)", "minmax(70px, 1.4fr)", "STATE", !slim && "46px", "58px", !slim && "52px", "72px",
    wide && "50px", wide && "minmax(110px, 1.6fr)", "minmax(62px, 1fr)",
  ].filter(Boolean).join(" ");
  const leastPx = wide ? 848 : slim ? 528 : 642;
  return html`
    <${VirtualList} rows=${rows} rowPx=${34} label="Missions, newest first" onEnd=${onEnd} onLook=${onLook} onScrolled=${(/** @type {number} */ topPx) => onFirst?.(Math.round(topPx / 34))} template=${template.replace("STATE", "98px")} minWidthPx=${leastPx}
      narrow=${template.replace("STATE", "120px")} narrowLeastPx=${leastPx + 22}
      keyOf=${(/** @type {Entity} */ row) => row.id} rowProps=${(/** @type {Entity} */ row) => ({ "data-mission": row.id })}
      onOpen=${(/** @type {Entity} */ row) => go(traceLink(row.id))}
      head=${html`
        ${onChoose && html`<${Th}><span class="unseen">Compare</span><//>`}
        <${Th}>Mission<//><${Th}>Agent<//><${Th}>State<//>${!slim && html`<${Th} number>Started<//>`}<${Th} number>Duration<//>
        ${!slim && html`<${Th} number>Tokens<//>`}<${Th} number>Cost<//>${wide && html`<${Th} number>Retries<//><${Th}>Tags<//>`}<${Th}>Flags<//>`}
      cells=${(/** @type {Entity} */ row) => html`<${Cells} row=${row} wide=${wide} slim=${slim} found=${codes.value.get(row.id) ?? NONE}
        picked=${chosen?.has(row.id)} onChoose=${onChoose} />`}
      empty=${empty ?? html`<${NoMissions} />`} />
  `;
}

/** @param {{row: Entity, wide: boolean, slim: boolean, found: string[], picked?: boolean, onChoose?: (id: string) => void}} props */
function Cells({ row, wide, slim, found, picked, onChoose }) {
  const marks = row.errorCode && !found.includes(row.errorCode) ? [row.errorCode, ...found] : found;
  const tokens = row.inputTokens + row.outputTokens;
  const tags = Object.entries(row.tags).map(([key, value]) => `${key}=${value}`);
  return html`
    ${onChoose && html`<${Td}><input type="checkbox" aria-label=${`Compare ${row.id}`} checked=${picked} onChange=${() => onChoose(row.id)} /><//>`}
    <${Td}><a class="id" href=${traceLink(row.id)} title=${row.id}>${shortId(row.id)}</a><//>
    <${Td} clip><span class="agent">${row.agent || row.service || "–"}</span>${row.agent && row.service && row.agent !== row.service ? html`<span class="service">${row.service}</span>` : null}<//>
    <${Td}><${State} state=${row.state} /><${Broke} codes=${marks} flags=${row.flags} /><//>
    ${!slim && html`<${Td} number><${Ago} at=${row.startedMs ?? row.createdMs} /><//>`}
    <${Td} number><${Elapsed} row=${row} /><//>
    ${!slim && html`<${Td} number>${tokens > 0 ? count(tokens) : "–"}<//>`}
    <${Td} number><${Cost} row=${row} /><//>
    ${wide && html`<${Td} number>${row.retries || "–"}<//><${Td} clip faint title=${tags.join(" ")}>${tags.join(" ")}<//>`}
    <${Td}><${Marks} codes=${marks} flags=${row.flags.filter((flag) => flag !== "derived")} /><//>
  `;
}

function NoMissions() {
  const failed = !missionsLoaded.value && readProblem.value !== "";
  return html`
    <${Nothing} loading=${!missionsLoaded.value && !failed} problem=${failed ? readProblem.value : ""} onRetry=${refresh}>
      <p><strong>${missions.value.length > 0 ? "No mission matches." : "No mission yet."}</strong></p>
      <p>${missions.value.length > 0
        ? "Take a filter away to see more."
        : html`Point any OpenTelemetry exporter at port 4317 (gRPC) or 4318 (HTTP), or run <code>neurorail demo</code>.`}</p>
    <//>
  `;
}
