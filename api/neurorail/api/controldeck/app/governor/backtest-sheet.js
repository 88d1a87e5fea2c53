// @ts-check
/** One backtest: how far it is, and what it found. */

import { html, useEffect, useSignal } from "../../vendor/ui.js";
import { address, get } from "../api.js";
import { save } from "../export.js";
import { count } from "../format.js";
import { Nothing } from "../panel.js";
import { GOVERNOR } from "../reading.js";
import { may } from "../session.js";
import { Sheet } from "../sheet.js";
import { Report } from "./backtest-report.js";
import { isOpen, Progress, span } from "./backtest-state.js";

/** @param {{id: string, row: any, onCancel: (row: any) => void, onClose: () => void}} props `row` as the list has it, once it has */
export function BacktestSheet({ id, row, onCancel, onClose }) {
  const whole = useSignal(/** @type {any} */ (null));
  const problem = useSignal("");
  useEffect(() => {
    whole.value = null;
    problem.value = "";
    if (id === "") return;
    let wanted = true;
    get(path(id)).then(
      (found) => wanted && (whole.value = found),
      (failed) => wanted && (problem.value = failed.message),
    );
    return () => {
      wanted = false;
    };
  }, [id, row?.state]);
  const shown = row ?? whole.value;
  const report = whole.value?.report;
  return html`
    <${Sheet} open=${id !== ""} title=${shown ? `Backtest of ${shown.manifest.version}` : "Backtest"} onClose=${onClose} wide>
      ${!shown && html`<${Nothing} loading=${problem.value === ""} problem=${problem.value} />`}
      ${shown && html`
        <div class="report" data-report=${report ? "there" : ""}>
          <p class="report-head"><${Progress} row=${shown} /> <span class="faint">${span(shown)} · asked by ${shown.principal}</span></p>
          ${shown.error && html`<p class="bad">${shown.error}</p>`}
          ${isOpen(shown) && html`
            <p role="status">${shown.state === "queued" ? "It waits for another one to end." : `${count(shown.progress.done)} of ${count(shown.progress.total)} records looked at.`}</p>
            ${may("manage:governor") && html`<p><button type="button" onClick=${() => onCancel(shown)}>Cancel</button></p>`}`}
          ${report && html`
            <p class="report-head">
              <a class="button" href=${address(`${path(id)}/report.html`)} download=${`${id}.html`}>HTML</a>
              <button type="button" onClick=${() => save(`${id}.json`, "application/json", `${JSON.stringify(report, null, 1)}\n`)}>JSON</button>
            </p>
            <${Report} report=${report} />`}
        </div>`}
    <//>
  `;
}

/** @param {string} id */
const path = (id) => `${GOVERNOR}backtests/${encodeURIComponent(id)}`;
