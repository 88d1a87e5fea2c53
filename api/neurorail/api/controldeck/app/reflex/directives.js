// @ts-check
/** What agents may not do at the moment, and the switches that make it so. */

import { html, useSignal } from "../../vendor/ui.js";
import { post } from "../api.js";
import { ask } from "../ask.js";
import { time } from "../entity.js";
import { Export } from "../export.js";
import { ago, count, duration } from "../format.js";
import { Nothing, Panel } from "../panel.js";
import { ScopeMarks, scopeText } from "../scope.js";
import { may } from "../session.js";
import { now } from "../store.js";
import { Td, Th, VirtualList } from "../virtual.js";
import { StopForm } from "./stop-form.js";

/** @type {import("../export.js").Columns<any>} */
const COLUMNS = Object.fromEntries(
  ["directive_id", "action", "scope", "code", "reason", "rule", "ttl_ms", "issued_at", "mission_id", "circuit_id"].map((name) => [name, (/** @type {any} */ row) => row[name]]),
);

/** @param {{reading: any}} props */
export function Directives({ reading }) {
  const stopping = useSignal(/** @type {"" | "kill" | "suspend"} */ (""));
  const rows = reading.value.value?.directives ?? [];
  const allowed = may("execute:reflex");
  return html`
    <${Panel} name="directives" class="active" title="Directives" note=${rows.length > 0 ? count(rows.length) : ""}
      tools=${html`
        ${allowed && html`<button type="button" onClick=${() => (stopping.value = "suspend")}>Suspend…</button><button type="button" class="danger" onClick=${() => (stopping.value = "kill")}>Kill switch…</button>`}
        <${Export} name="directives" rows=${rows} columns=${COLUMNS} />`}>
      <${VirtualList} rows=${rows} rowPx=${38} label="Directives that hold" minWidthPx=${524} template="66px minmax(154px, 1.2fr) minmax(100px, 1.4fr) 80px 64px"
        head=${html`<${Th}>Action<//><${Th}>Scope<//><${Th}>Why<//><${Th} number>Left<//><${Th}><span class="unseen">Actions</span><//>`}
        keyOf=${(/** @type {any} */ row) => row.directive_id} rowProps=${(/** @type {any} */ row) => ({ "data-directive": row.action })}
        cells=${(/** @type {any} */ row) => html`
          <${Td}><b class=${row.action === "kill" ? "bad" : ""}>${row.action}</b><//>
          <${Td} clip title=${scopeText(row.scope)}><${ScopeMarks} scope=${row.scope} /><//>
          <${Td} clip faint title=${row.reason}>${[row.code, row.rule, row.reason].filter(Boolean).join(" · ")}<//>
          <${Td} number><${Left} row=${row} /><//>
          <${Td} number>${allowed && html`<button type="button" onClick=${() => lift(row)}>Lift…</button>`}<//>`}
        empty=${html`<${Nothing} loading=${reading.value.value === null && reading.problem.value === ""} problem=${reading.problem.value} onRetry=${reading.refresh}>
          <p><strong>Nothing is forbidden.</strong></p><p>Directives of reflexes, of broken budgets and of people show here while they hold.</p><//>`} />
    <//>
    ${allowed && html`<${StopForm} action=${stopping.value} onClose=${() => (stopping.value = "")} />`}
  `;
}

/** Time until it ends by itself; it counts down between two readings. @param {{row: any}} props */
function Left({ row }) {
  if (row.ttl_ms === null) return html`<span title=${`issued ${ago(time(row.issued_at) ?? 0, now.value)} ago`}>until lifted</span>`;
  return html`${duration(row.ttl_ms)}`;
}

/** @param {any} row */
function lift(row) {
  const held = row.circuit_id !== null;
  ask({
    title: "Lift the directive",
    says: html`<p><b>${row.action}</b> of <b>${scopeText(row.scope)}</b> ends now; agents are told at once.${held ? " It belongs to a circuit, which is closed." : ""}</p>`,
    verb: "Lift it",
    act: (reason) => (held
      ? post("reflex/close", { circuit_id: row.circuit_id, reason })
      : post(`reflex/${row.action === "kill" ? "release" : "resume"}`, { directive_id: row.directive_id, reason })),
  });
}
