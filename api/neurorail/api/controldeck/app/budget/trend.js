// @ts-check
/** Timeouts, violations and retries over time. */

import { html, useMemo } from "../../vendor/ui.js";
import { Export } from "../export.js";
import { Panel } from "../panel.js";
import { inAddress } from "../route.js";
import { now } from "../store.js";
import { Legend, TimeChart } from "../time-chart.js";

/** Buckets that a chart shows. */
const BUCKETS = 60;
/** @type {Record<string, number>} name → minutes */
const RANGES = { "15 min": 15, "1 h": 60, "6 h": 360, "24 h": 1440 };
const SERIES = [
  { label: "Timeouts", color: "timeout", fill: true },
  { label: "Violations", color: "failed", fill: true },
  { label: "Retries", color: "queued", fill: true },
];

const range = inAddress("range", Object.keys(RANGES));

/** @param {{logs: Record<"timeouts" | "violations" | "retries", import("../event-log.js").EventLog>}} props */
export function Trend({ logs }) {
  const bucketMs = ((RANGES[range.value] ?? 60) * 60_000) / BUCKETS;
  const last = Math.floor(now.value / bucketMs);
  const lists = [logs.timeouts, logs.violations, logs.retries].map((log) => log.rows.value);
  const data = useMemo(() => {
    const times = Array.from({ length: BUCKETS }, (_, at) => ((last - BUCKETS + 1 + at) * bucketMs) / 1000);
    const columns = lists.map((rows) => bucketed(rows, last, bucketMs));
    return /** @type {import("../time-chart.js").Data} */ ([times, ...columns]);
  }, [last, bucketMs, ...lists]);
  // A log reaches back page by page; the chart says where its knowledge begins.
  const begins = Object.values(logs).filter((log) => !log.whole.value).map((log) => log.rows.value.at(-1)?.atMs ?? 0);
  const short = begins.some((at) => at > (last - BUCKETS) * bucketMs);
  const rows = (data[0] ?? []).map((at, index) => ({ at, counts: [1, 2, 3].map((series) => data[series]?.[index] ?? 0) }));
  return html`
    <${Panel} name="trend" class="trend" title="What went wrong" note=${short ? html`<button type="button" class="quiet" onClick=${() => Object.values(logs).forEach((log) => log.older())}>Read further back</button>` : ""}
      tools=${html`
        <div class="segments" role="group" aria-label="Time range">
          ${Object.keys(RANGES).map((name) => html`<button type="button" key=${name} aria-pressed=${range.value === name} onClick=${() => (range.value = name)}>${name}</button>`)}
        </div>
        <${Export} name="trend" rows=${rows} columns=${{
          time: (/** @type {any} */ row) => new Date(row.at * 1000).toISOString(), timeouts: (/** @type {any} */ row) => row.counts[0],
          violations: (/** @type {any} */ row) => row.counts[1], retries: (/** @type {any} */ row) => row.counts[2],
        }} />`}>
      <${TimeChart} data=${data} series=${SERIES} label="Timeouts, violations and retries over time" />
      <${Legend} series=${SERIES.map((series, at) => ({ ...series, value: sum(data[at + 1] ?? []) }))} />
    <//>
  `;
}

/** @param {(number | null)[]} values */
const sum = (values) => values.reduce((/** @type {number} */ all, value) => all + (value ?? 0), 0);

/** @param {import("../events.js").StreamEvent[]} rows @param {number} last @param {number} bucketMs */
function bucketed(rows, last, bucketMs) {
  const counts = new Array(BUCKETS).fill(0);
  for (const { atMs } of rows) {
    const at = BUCKETS - 1 - (last - Math.floor(atMs / bucketMs));
    if (at >= 0 && at < BUCKETS) counts[at] += 1;
  }
  return counts;
}
