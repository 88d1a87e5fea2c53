// @ts-check
/** Where the money goes: metered calls by model, agent, tool or service. */

import { html, signal, useMemo } from "../../vendor/ui.js";
import { useEventLog } from "../event-log.js";
import { Export } from "../export.js";
import { count, money } from "../format.js";
import { EmptyLog, Panel } from "../panel.js";

const BY = { model: "Model", agent: "Agent", service: "Service", tool: "Tool" };
const SHOWN_MAX = 8;
const by = signal(/** @type {keyof typeof BY} */ ("model"));

export function Spend() {
  const log = useEventLog(["cost_tracked"]);
  const rows = log.rows.value;
  const groups = useMemo(() => grouped(rows, by.value), [rows, by.value]);
  const most = Math.max(1e-12, ...groups.map((group) => group.usd));
  const sum = groups.reduce((all, group) => all + group.usd, 0);
  return html`
    <${Panel} name="spend" class="spend" title="Spend" note=${rows.length > 0 ? `${money(sum)} · ${log.whole.value ? "" : "newest "}${count(rows.length)} calls` : ""}
      tools=${html`
        <select aria-label="Spend by" value=${by.value} onChange=${(/** @type {any} */ event) => (by.value = event.target.value)}>
          ${Object.entries(BY).map(([name, text]) => html`<option key=${name} value=${name}>by ${text.toLowerCase()}</option>`)}
        </select>
        <${Export} name="spend" rows=${groups} columns=${{
          name: (/** @type {Group} */ group) => group.name, calls: (/** @type {Group} */ group) => group.calls,
          tokens: (/** @type {Group} */ group) => group.tokens, cost_usd: (/** @type {Group} */ group) => group.usd,
        }} />`}>
      <div class="scroll" tabindex="0" role="region" aria-label=${`Spend by ${by.value}`}>
        ${groups.length === 0 && html`<${EmptyLog} log=${log}><p>No metered call names a ${by.value}.</p><//>`}
        <ul class="uses wide">
          ${groups.slice(0, SHOWN_MAX).map((group) => html`
            <li class="use" key=${group.name} data-level="plain" data-group=${group.name}>
              <span class="use-name">${group.name} <span class="faint">${count(group.calls)} calls · ${count(group.tokens)} tokens</span></span>
              <span class="use-text"></span><b class="use-share">${money(group.usd)}</b>
              <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="use-rail" width="100" height="4" /><rect class="use-run" width=${(group.usd / most) * 100} height="4" /></svg>
            </li>`)}
        </ul>
        ${!log.whole.value && rows.length > 0 && html`<p class="sheet-actions"><button type="button" onClick=${() => log.older()}>Read further back</button></p>`}
      </div>
    <//>
  `;
}

/** @typedef {{name: string, calls: number, tokens: number, usd: number}} Group */

/** @param {import("../events.js").StreamEvent[]} rows @param {string} field @returns {Group[]} */
function grouped(rows, field) {
  /** @type {Map<string, Group>} */
  const groups = new Map();
  for (const { data } of rows) {
    const name = data[field];
    if (!name) continue;
    const group = groups.get(name) ?? { name, calls: 0, tokens: 0, usd: 0 };
    groups.set(name, { ...group, calls: group.calls + 1, tokens: group.tokens + Number(data.llm_tokens ?? 0), usd: group.usd + Number(data.cost ?? 0) });
  }
  return [...groups.values()].sort((a, b) => b.usd - a.usd || b.calls - a.calls);
}
