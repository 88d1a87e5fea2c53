// @ts-check
/** What a backtest found: numbers, plots, rules, and calls to look at. */

import { html, useMemo } from "../../vendor/ui.js";
import { count, money, moment } from "../format.js";
import { traceLink } from "../route.js";
import { Legend, TimeChart } from "../time-chart.js";

const whole = (/** @type {number} */ value) => count(value);
/** @type {[string, string, (value: number) => string][]} */
const NUMBERS = [
  ["Calls refused", "calls_refused", whole],
  ["of them succeeded in truth", "false_positive_candidates", whole],
  ["Spend", "spend_usd", money],
  ["Spend avoided", "spend_avoided_usd", money],
  ["Decisions asked for", "decisions", whole],
  ["Decisions refused", "decisions_refused", whole],
  ["Budget warnings", "warnings", whole],
  ["Budget violations", "violations", whole],
  ["Reflexes triggered", "triggers", whole],
  ["Cancelled", "cancellations", whole],
  ["Questions to a person", "confirmations", whole],
  ["Circuits opened", "circuits_opened", whole],
];
/** @type {[string, string, (value: number) => string][]} */
const OF_RULE = [
  ["Refused", "refused", whole],
  ["Succeeded", "false_positive_candidates", whole],
  ["Avoided", "spend_avoided_usd", money],
  ["Warned", "warned", whole],
  ["Violated", "violated", whole],
  ["Triggered", "triggered", whole],
  ["Cancelled", "cancelled", whole],
];
const SERIES = [{ label: "tried", color: "accent", fill: true }, { label: "against", color: "pending" }];
/** @type {[string, string, ((value: number) => string) | undefined][]} */
const PLOTS = [["Spend", "spend_usd", money], ["Spend avoided", "avoided_usd", money], ["Calls refused", "refused", undefined]];

/** @param {{report: any}} props */
export function Report({ report }) {
  const { new: tried, against, calls } = report;
  const rules = Object.entries(tried.rules).sort(([one, a], [two, b]) => b.refused - a.refused || one.localeCompare(two));
  return html`
    <table class="plain" aria-label="Numbers">
      <thead><tr><th scope="col">${count(calls.all)} calls, ${count(report.records)} records</th><th scope="col" class="number">${tried.version}</th><th scope="col" class="number">${against.version}</th></tr></thead>
      <tbody>
        ${NUMBERS.map(([title, name, says]) => html`<tr key=${name} data-number=${name}><th scope="row">${title}</th><td class="number">${says(tried[name])}</td><td class="number">${says(against[name])}</td></tr>`)}
        <tr data-number="newly_refused"><th scope="row">Newly refused</th><td class="number">${count(calls.newly_refused)}</td><td></td></tr>
        <tr data-number="newly_allowed"><th scope="row">Newly allowed</th><td class="number">${count(calls.newly_allowed)}</td><td></td></tr>
      </tbody>
    </table>
    <p class="faint">Not exact: ${report.approximate.join("; ")}.</p>
    ${PLOTS.map(([title, name, says]) => html`<${Plot} key=${name} title=${title} report=${report} name=${name} says=${says} />`)}
    <h3>By rule</h3>
    ${rules.length === 0 && html`<p class="faint">No rule said anything.</p>`}
    ${rules.length > 0 && html`
      <div class="wide-table" tabindex="0" role="region" aria-label="Rules">
        <table class="plain">
          <thead><tr><th scope="col">Rule</th>${OF_RULE.map(([title]) => html`<th scope="col" key=${title} class="number">${title}</th>`)}</tr></thead>
          <tbody>${rules.map(([name, rule]) => html`<tr key=${name} data-rule=${name}><th scope="row">${name}</th>${OF_RULE.map(([, field, says]) => html`<td key=${field} class="number">${says(rule[field])}</td>`)}</tr>`)}</tbody>
        </table>
      </div>`}
    <h3>Calls it would have refused</h3>
    ${tried.examples.length === 0 && html`<p class="faint">None.</p>`}
    <ul class="examples">${tried.examples.map((/** @type {any} */ one, /** @type {number} */ at) => html`<${Example} key=${at} one=${one} />`)}</ul>
  `;
}

/** Equal parts of the time that was looked at. @param {{title: string, report: any, name: string, says?: (value: number) => string}} props */
function Plot({ title, report, name, says }) {
  const data = useMemo(() => {
    const since = Date.parse(report.since) / 1000;
    const step = Math.max(Date.parse(report.until) / 1000 - since, 1) / report.timeline.length;
    const sides = ["new", "against"].map((side) => report.timeline.map((/** @type {any} */ point) => point[side][name]));
    return /** @type {import("../time-chart.js").Data} */ ([report.timeline.map((/** @type {any} */ _, /** @type {number} */ at) => since + at * step), ...sides]);
  }, [report, name]);
  return html`
    <figure><figcaption>${title}</figcaption>
      <div class="plot"><${TimeChart} data=${data} series=${SERIES} label=${`${title} over time`} value=${says} least=${says ? 1e-6 : 1} /></div>
      <${Legend} series=${SERIES} />
    </figure>
  `;
}

/** @param {{one: any}} props */
function Example({ one }) {
  return html`
    <li data-example>
      <p class="report-head">${one.mission_id ? html`<a class="id" href=${traceLink(one.mission_id, one.resource_id ?? "")}>${one.mission_id}</a>` : html`<span class="faint">no mission</span>`}
        <b>${one.call}</b><span>${money(one.cost_usd)}</span><span class="code">${one.code}</span>
        ${one.succeeded && html`<span class="flag" data-flag="orphan" title="It succeeded in truth: perhaps it should not be refused">false positive?</span>`}</p>
      <p class="faint">${moment(Date.parse(one.at))} · ${one.rules.join(", ")} · ${one.reason}</p>
    </li>
  `;
}
