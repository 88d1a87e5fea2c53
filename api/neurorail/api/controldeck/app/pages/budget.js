// @ts-check
/** Budgets: what broke one, what is near, and where the money goes. */

import { computed, html, useMemo } from "../../vendor/ui.js";
import { Near } from "../budget/near.js";
import { Pie } from "../budget/pie.js";
import { Spend } from "../budget/spend.js";
import { Trend } from "../budget/trend.js";
import { Violations } from "../budget/violations.js";
import { useEventLog } from "../event-log.js";
import { count } from "../format.js";
import { link } from "../route.js";
import { readProblem, totals, totalsLoaded } from "../store.js";
import { told, toldOf } from "../told.js";

export function Budget() {
  const timeouts = useEventLog(["timeout_enforced"]);
  const violations = useEventLog(["budget_violation"]);
  const retries = useEventLog(["retry_attempted"]);
  const exhausted = useEventLog(["retry_exhausted"]);
  const byType = useMemo(
    () => computed(() => {
      /** @type {Map<string, number>} */
      const counts = new Map();
      for (const { data } of violations.rows.value) counts.set(data.violation_type, (counts.get(data.violation_type) ?? 0) + 1);
      return [...counts].sort((a, b) => b[1] - a[1]);
    }),
    [violations],
  );
  return html`
    <dl class="tiles four" aria-label="Budgets at a glance">
      <${Card} name="timeouts" label="Timeouts" log=${timeouts} note="entities ran past their time" tone="timeout" />
      <${Card} name="violations" label="Budget violations" log=${violations} note="limits reached and passed" tone="failed" />
      <${Card} name="retries" label="Retries" log=${retries} note=${`${toldOf(exhausted)} exhausted their retries`} tone="" />
      <div class="tile" data-tile="active"><dt><a href=${link("trace", { state: "running" })}>Active</a></dt><dd class="tile-value">${told(totalsLoaded.value, readProblem.value, () => count(totals.value.missionsActive))}</dd><dd class="tile-note">missions · ${told(totalsLoaded.value, readProblem.value, () => count(totals.value.attemptsRunning))} attempts</dd></div>
    </dl>
    <div class="grid budget">
      <${Trend} logs=${{ timeouts, violations, retries }} />
      <${Pie} title="Violations by kind" name="kinds" parts=${byType.value} log=${violations} />
      <${Near} violations=${violations} />
      <${Spend} />
      <${Violations} log=${violations} />
    </div>
  `;
}

/** @param {{name: string, label: string, log: import("../event-log.js").EventLog, note: string, tone: string}} props */
function Card({ name, label, log, note, tone }) {
  const total = log.total.value;
  return html`
    <div class="tile" data-tile=${name} data-tone=${total > 0 ? tone : ""} data-loaded=${log.state.value === "ready"}>
      <dt>${label}</dt><dd class="tile-value">${toldOf(log)}</dd><dd class="tile-note">${note}</dd>
    </div>
  `;
}
