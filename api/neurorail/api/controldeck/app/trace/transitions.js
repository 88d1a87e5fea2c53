// @ts-check
/** How an entity came to its state: what was reported, and what had to be inferred. */

import { html, useEffect, useSignal } from "../../vendor/ui.js";
import { getTransitions } from "../api.js";
import { State } from "../badge.js";
import { time } from "../entity.js";
import { Export } from "../export.js";
import { clock, duration } from "../format.js";
import { Nothing } from "../panel.js";

/** @type {import("../export.js").Columns<any>} */
const COLUMNS = Object.fromEntries(
  ["transition_id", "entity_type", "entity_id", "from_state", "to_state", "transition", "timestamp", "received_at", "inferred", "gap", "reason", "error_code", "principal"]
    .map((name) => [name, (/** @type {any} */ row) => row[name]]),
);

/** @param {{entity: import("../entity.js").Entity}} props */
export function Transitions({ entity }) {
  const rows = useSignal(/** @type {any[] | null} */ (null));
  const problem = useSignal("");

  function read() {
    getTransitions(entity.type, entity.id).then(
      (answer) => {
        rows.value = answer.transitions;
        problem.value = "";
      },
      (failed) => (problem.value = String(failed.message ?? failed)),
    );
  }
  useEffect(read, [entity.id, entity.state]);

  const list = rows.value;
  if (list === null || list.length === 0) {
    return html`<${Nothing} loading=${list === null && problem.value === ""} problem=${problem.value} onRetry=${read}><p>No transition yet: the ${entity.type} is only implied by what is below it.</p><//>`;
  }
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label="Transitions, oldest first">
      <ol class="steps">
        ${list.map((row, at) => html`
          <li key=${row.transition_id} data-inferred=${row.inferred}>
            <p class="step-head">
              <b>${row.transition}</b> <${State} state=${row.to_state} />
              <span class="flag" data-flag=${row.inferred ? "inferred" : "reported"}>${row.inferred ? (row.gap ? "inferred, gap" : "inferred") : "reported"}</span>
            </p>
            <p class="faint">
              <time dateTime=${row.timestamp}>${clock(time(row.timestamp) ?? 0)}</time>
              ${at > 0 ? ` · ${duration((time(row.timestamp) ?? 0) - (time(list[at - 1]?.timestamp) ?? 0))} later` : ""}
              ${late(row)}
            </p>
            ${(row.reason || row.error_code) && html`<p>${[row.error_code, row.reason].filter(Boolean).join(" · ")}</p>`}
          </li>
        `)}
      </ol>
      <p class="sheet-actions"><${Export} name="transitions" rows=${list} columns=${COLUMNS} /></p>
    </div>
  `;
}

/** A report that came well after the fact says so. @param {any} row */
function late(row) {
  const ms = (time(row.received_at) ?? 0) - (time(row.timestamp) ?? 0);
  return ms > 1000 ? ` · heard ${duration(ms)} after` : "";
}
