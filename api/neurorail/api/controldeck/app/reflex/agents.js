// @ts-check
/** Processes that announced themselves, and how their gates stand. */

import { html } from "../../vendor/ui.js";
import { time } from "../entity.js";
import { Export } from "../export.js";
import { ago, count } from "../format.js";
import { Nothing } from "../panel.js";
import { now } from "../store.js";
import { Td, Th, VirtualList } from "../virtual.js";

/** @type {import("../export.js").Columns<any>} */
const COLUMNS = Object.fromEntries(
  ["instance_id", "agent", "service", "version", "sdk", "runtime", "host", "pid", "gate", "principal", "first_seen_at", "last_seen_at"].map((name) => [name, (/** @type {any} */ row) => row[name]]),
);

/** @param {{reading: any}} props */
export function Agents({ reading }) {
  const rows = reading.value.value?.agents ?? [];
  return html`
    <div class="strip"><span>${count(rows.length)} announced lately</span><${Export} name="agents" rows=${rows} columns=${COLUMNS} /></div>
    <${VirtualList} rows=${rows} rowPx=${38} label="Agents" minWidthPx=${520} template="minmax(130px, 1.3fr) 62px 104px minmax(90px, 1fr) 64px 62px"
      head=${html`<${Th}>Agent<//><${Th}>Mode<//><${Th}>Gate<//><${Th}>Without a server<//><${Th} number>Refused<//><${Th} number>Seen<//>`}
      keyOf=${(/** @type {any} */ row) => row.instance_id} rowProps=${(/** @type {any} */ row) => ({ "data-agent": row.instance_id })}
      cells=${(/** @type {any} */ row) => html`
        <${Td} clip title=${[row.instance_id, row.sdk, row.runtime, row.host].filter(Boolean).join(" · ")}><span class="agent">${row.agent ?? row.service ?? row.instance_id}</span>${row.agent && row.service ? html`<span class="service">${row.service}</span>` : null}<//>
        <${Td}>${row.gate?.mode ?? "–"}<//>
        <${Td}><span class="state" data-state=${row.gate?.connected ? "running" : "cancelled"}>${row.gate?.connected ? "connected" : "no stream"}</span><//>
        <${Td} faint>${row.gate?.fail ? `fails ${row.gate.fail}` : "–"}<//>
        <${Td} number>${row.gate ? count(row.gate.refused ?? 0) : "–"}<//>
        <${Td} number faint>${ago(time(row.last_seen_at) ?? 0, now.value)}<//>`}
      empty=${html`<${Nothing} loading=${reading.value.value === null && reading.problem.value === ""} problem=${reading.problem.value} onRetry=${reading.refresh}>
        <p><strong>No agent announced itself.</strong></p><p>Processes with <code>neurorail.instrumentation</code> do; plain OpenTelemetry cannot.</p><//>`} />
  `;
}
