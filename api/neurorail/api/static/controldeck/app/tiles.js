// @ts-check
/** The live counts. */

import { html } from "../vendor/ui.js";
import { count, money, whole } from "./format.js";
import { rate, received, totals } from "./store.js";

export function Tiles() {
  const now = totals.value;
  return html`
    <dl class="tiles" aria-label="Live counts">
      <${Tile} name="missions" label="Missions active" value=${count(now.missionsActive)}
        note="${count(now.missions)} in all" tone=${now.missionsActive > 0 ? "running" : ""} />
      <${Tile} name="jobs" label="Jobs running" value=${count(now.jobsRunning)}
        note="${count(now.jobs)} in all · ${count(now.jobsQueued)} queued" />
      <${Tile} name="attempts" label="Attempts running" value=${count(now.attemptsRunning)}
        note="${count(now.attempts)} in all" />
      <${Tile} name="tokens" label="Tokens" value=${count(now.tokens)}
        note="${count(now.inputTokens)} in · ${count(now.outputTokens)} out" />
      <${Tile} name="cost" label="Cost" value=${money(now.costUsd)}
        note=${now.unpriced > 0 ? `${whole(now.unpriced)} calls unpriced` : "every call priced"} />
      <${Tile} name="violations" label="Violations" value=${count(now.violations)}
        note=${now.orphans > 0 ? `and ${count(now.orphans)} ${now.orphans === 1 ? "orphan" : "orphans"}` : "budgets and lifecycle"}
        tone=${now.violations > 0 ? "failed" : ""} />
      <${RateTile} />
    </dl>
  `;
}

/** @param {{name: string, label: string, value: string, note: any, tone?: string}} props */
function Tile({ name, label, value, note, tone = "" }) {
  return html`
    <div class="tile" data-tile=${name} data-tone=${tone}>
      <dt>${label}</dt>
      <dd class="tile-value">${value}</dd>
      <dd class="tile-note">${note}</dd>
    </div>
  `;
}

function RateTile() {
  const series = rate.value;
  const latest = series.slice(-5);
  const mean = latest.length ? latest.reduce((sum, each) => sum + each, 0) / latest.length : 0;
  return html`
    <div class="tile tile-rate" data-tile="rate">
      <dt>Events per second</dt>
      <dd class="tile-value">${mean > 0 && mean < 10 ? mean.toFixed(1) : whole(mean)}</dd>
      <dd class="tile-note">${count(received.value)} received here</dd>
      <dd class="tile-spark" aria-hidden="true"><${Sparkline} series=${series} /></dd>
    </div>
  `;
}

/** One bar a second over the last minute. @param {{series: number[]}} props */
function Sparkline({ series }) {
  const top = Math.max(1, ...series);
  const bars = series.map((value, at) => {
    const height = value === 0 ? 0 : Math.max(1, (value / top) * 30);
    return `M${at * 3 + 1} 32v${-height.toFixed(1)}`;
  });
  return html`
    <svg viewBox="0 0 ${series.length * 3} 32" preserveAspectRatio="none">
      <path class="spark" d=${bars.join("")} />
    </svg>
  `;
}
