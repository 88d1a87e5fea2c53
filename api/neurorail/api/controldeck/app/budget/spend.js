// @ts-check
/** Where the money goes: what calls cost, by whom or by what, over a time. */

import { html } from "../../vendor/ui.js";
import { Export } from "../export.js";
import { count, money } from "../format.js";
import { Nothing, Panel } from "../panel.js";
import { useReading } from "../reading.js";
import { inAddress } from "../route.js";

const BY = { model: "Model", agent: "Agent", service: "Service", job_type: "Job type", tool: "Tool", provider: "Provider" };
const TIMES = { "-1h": "1 hour", "-24h": "1 day", "-7d": "7 days", "-30d": "30 days" };
const by = inAddress("by", /** @type {(keyof typeof BY)[]} */ (Object.keys(BY)));
const since = inAddress("since", /** @type {(keyof typeof TIMES)[]} */ (["-24h", ...Object.keys(TIMES).filter((name) => name !== "-24h")]));

/** @type {import("../export.js").Columns<any>} */
const COLUMNS = {
  group: (row) => row[by.value], calls: (row) => row.calls, input_tokens: (row) => row.input_tokens, output_tokens: (row) => row.output_tokens,
  unpriced_calls: (row) => row.unpriced_calls, cost_usd: (row) => row.cost_usd,
};

export function Spend() {
  // The archive is seconds behind the events.
  const usage = useReading(`usage?group_by=${by.value}&since=${since.value}&limit=50`, ["cost_tracked"], 5000);
  const groups = usage.value.value?.groups ?? [];
  const most = Math.max(1e-12, ...groups.map((/** @type {any} */ group) => group.cost_usd));
  const sum = groups.reduce((/** @type {number} */ all, /** @type {any} */ group) => all + group.cost_usd, 0);
  return html`
    <${Panel} name="spend" class="spend" title="Spend" note=${groups.length > 0 ? money(sum) : ""}
      tools=${html`
        <select aria-label="Spend since" value=${since.value} onChange=${(/** @type {any} */ event) => (since.value = event.target.value)}>
          ${Object.entries(TIMES).map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}
        </select>
        <select aria-label="Spend by" value=${by.value} onChange=${(/** @type {any} */ event) => (by.value = event.target.value)}>
          ${Object.entries(BY).map(([name, text]) => html`<option key=${name} value=${name}>${text.toLowerCase()}</option>`)}
        </select>
        <${Export} name="spend" rows=${groups} columns=${COLUMNS} />`}>
      <div class="scroll" tabindex="0" role="region" aria-label=${`Spend by ${by.value}`}>
        ${groups.length === 0 && html`<${Nothing} loading=${usage.value.value === null && usage.problem.value === ""} problem=${usage.problem.value} onRetry=${usage.refresh}>
          <p><strong>Nothing was metered in the last ${TIMES[since.value]}.</strong></p><//>`}
        <ul class="uses wide">
          ${groups.map((/** @type {any} */ group) => html`
            <li class="use" key=${group[by.value]} data-level="plain" data-group=${group[by.value] ?? "none"}>
              <span class="use-name">${group[by.value] ?? "not named"} <span class="faint">${count(group.calls)} calls · ${count(group.total_tokens)} tokens${group.unpriced_calls > 0 ? ` · ${count(group.unpriced_calls)} unpriced` : ""}</span></span>
              <span class="use-text"></span><b class="use-share">${money(group.cost_usd)}</b>
              <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="use-rail" width="100" height="4" /><rect class="use-run" width=${(group.cost_usd / most) * 100} height="4" /></svg>
            </li>`)}
        </ul>
      </div>
    <//>
  `;
}
