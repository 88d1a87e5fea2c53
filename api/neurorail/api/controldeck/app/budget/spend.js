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
/** What else tells of a call that it has no name of a kind: a tool call has no model, and the other way round. @type {Record<string, string>} */
const OTHER = { model: "tool", provider: "tool", tool: "model" };
const by = inAddress("by", /** @type {(keyof typeof BY)[]} */ (Object.keys(BY)));
const since = inAddress("since", /** @type {(keyof typeof TIMES)[]} */ (["-24h", ...Object.keys(TIMES).filter((name) => name !== "-24h")]));

/** @type {import("../export.js").Columns<any>} */
const COLUMNS = {
  group: (row) => row.name, calls: (row) => row.calls, input_tokens: (row) => row.input_tokens, output_tokens: (row) => row.output_tokens,
  unpriced_calls: (row) => row.unpriced_calls, cost_usd: (row) => row.cost_usd,
};

export function Spend() {
  // The archive is seconds behind the events.
  const other = OTHER[by.value] ?? "";
  const usage = useReading(`usage?group_by=${by.value}${other && `&group_by=${other}`}&since=${since.value}&limit=100`, ["cost_tracked"], 5000);
  const groups = grouped(usage.value.value?.groups ?? [], by.value, other);
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
            <li class="use" key=${group.name} data-level="plain" data-group=${group.named ? group.name : "none"}>
              <span class="use-name">${group.name} <span class="faint">${count(group.calls)} ${group.calls === 1 ? "call" : "calls"}${group.total_tokens > 0 ? ` · ${count(group.total_tokens)} tokens` : ""}${group.unpriced_calls > 0 ? ` · ${count(group.unpriced_calls)} unpriced` : ""}</span></span>
              <span class="use-text"></span><b class="use-share">${money(group.cost_usd)}</b>
              <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="use-rail" width="100" height="4" /><rect class="use-run" width=${(group.cost_usd / most) * 100} height="4" /></svg>
            </li>`)}
        </ul>
      </div>
    <//>
  `;
}

const SUMS = ["calls", "unpriced_calls", "input_tokens", "output_tokens", "total_tokens", "cost_usd"];

/** Groups by one name; what has none says of what kind it is. @param {any[]} rows @param {string} name @param {string} other */
function grouped(rows, name, other) {
  /** @type {Map<string, any>} */
  const found = new Map();
  for (const row of rows) {
    const named = Boolean(row[name]);
    const shown = named ? row[name] : row[other] ? `${other} calls` : "not named";
    const sums = found.get(`${named} ${shown}`);
    if (sums === undefined) found.set(`${named} ${shown}`, { ...row, name: shown, named });
    else for (const each of SUMS) sums[each] += row[each];
  }
  return [...found.values()].sort((a, b) => b.cost_usd - a.cost_usd || b.calls - a.calls);
}
