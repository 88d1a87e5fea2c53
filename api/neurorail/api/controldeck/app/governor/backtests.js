// @ts-check
/** Backtests: what runs, what waits and what was found, and asking for another. */

import { html, useEffect, useSignal } from "../../vendor/ui.js";
import { post } from "../api.js";
import { time } from "../entity.js";
import { Export } from "../export.js";
import { ago, count } from "../format.js";
import { Nothing } from "../panel.js";
import { GOVERNOR } from "../reading.js";
import { adjust, place } from "../route.js";
import { may } from "../session.js";
import { now } from "../store.js";
import { Td, Th, VirtualList } from "../virtual.js";
import { BacktestForm } from "./backtest-form.js";
import { BacktestSheet } from "./backtest-sheet.js";
import { isOpen, Progress, span } from "./backtest-state.js";

const LOOK_MS = 1000;
/** @type {import("../export.js").Columns<any>} */
const COLUMNS = Object.fromEntries(
  ["id", "state", "manifest", "against", "since", "until", "principal", "created_at", "ended_at", "error"].map((name) => [name, (/** @type {any} */ row) => row[name]]),
);

/** @param {{reading: any, manifests: any}} props */
export function Backtests({ reading, manifests }) {
  const making = useSignal(false);
  const rows = reading.value.value?.backtests ?? [];
  const busy = rows.some(isOpen);
  useEffect(() => {
    if (!busy) return;
    const timer = setInterval(reading.refresh, LOOK_MS);
    return () => clearInterval(timer);
  }, [busy, reading]);
  const shown = place.value.query.get("backtest") ?? "";
  return html`
    <div class="strip">
      ${may("manage:governor") && html`<button type="button" class="primary" onClick=${() => (making.value = true)}>New backtest</button>`}
      <span>${count(rows.length)} ${rows.length === 1 ? "backtest" : "backtests"}</span><${Export} name="backtests" rows=${rows} columns=${COLUMNS} />
    </div>
    <${VirtualList} rows=${rows} rowPx=${40} label="Backtests, newest first" minWidthPx=${520} template="minmax(110px, 1.2fr) minmax(120px, 1fr) minmax(140px, 1.3fr) 58px 78px"
      head=${html`<${Th}>Manifest<//><${Th}>State<//><${Th}>History<//><${Th} number>Asked<//><${Th}><span class="unseen">Actions</span><//>`}
      keyOf=${(/** @type {any} */ row) => row.id} onOpen=${(/** @type {any} */ row) => adjust({ backtest: row.id })}
      rowProps=${(/** @type {any} */ row) => ({ "data-backtest": row.id, "data-backtest-state": row.state })}
      cells=${(/** @type {any} */ row) => html`
        <${Td} clip title=${row.manifest.sha256}><b>${row.manifest.version}</b> <span class="faint">against ${row.against?.version ?? "what was active"}</span><//>
        <${Td} clip title=${row.error ?? ""}><${Progress} row=${row} /><//>
        <${Td} clip faint title=${`${row.since ?? ""} to ${row.until}`}>${span(row)}<//>
        <${Td} number faint title=${row.principal}>${ago(time(row.created_at) ?? 0, now.value)}<//>
        <${Td} number>${isOpen(row) && may("manage:governor") && html`<button type="button" onClick=${() => cancel(row, reading)}>Cancel</button>`}<//>`}
      empty=${html`<${Nothing} loading=${reading.value.value === null && reading.problem.value === ""} problem=${reading.problem.value} onRetry=${reading.refresh}>
        <p><strong>No backtest yet.</strong></p><p>A backtest runs stored history under a manifest and says what it would have refused, before anybody depends on it.</p><//>`} />
    <${BacktestSheet} id=${shown} row=${rows.find((/** @type {any} */ row) => row.id === shown)} onCancel=${(/** @type {any} */ row) => cancel(row, reading)} onClose=${() => adjust({ backtest: "" })} />
    <${BacktestForm} open=${making.value} manifests=${manifests.value.value} onClose=${() => (making.value = false)} onMade=${() => void reading.read()} />
  `;
}

/** @param {any} row @param {any} reading */
async function cancel(row, reading) {
  // Whoever was faster, or a server that does not answer, shows in what is read next.
  await post(`${GOVERNOR}backtests/${encodeURIComponent(row.id)}/cancel`).catch(() => null);
  await reading.read();
}
