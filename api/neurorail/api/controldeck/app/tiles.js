// @ts-check
/** The live counts; each leads to the page that explains it. */

import { html } from "../vendor/ui.js";
import { STATES } from "./entity.js";
import { brief, count, money, percent, whole } from "./format.js";
import { HealthTiles } from "./health-tiles.js";
import { IngestTile } from "./ingest.js";
import { link } from "./route.js";
import { readProblem, totals, totalsLoaded } from "./store.js";
import { Tile } from "./tile.js";
import { told } from "./told.js";

export function Tiles() {
  const now = totals.value;
  const say = (/** @type {string} */ text) => told(totalsLoaded.value, readProblem.value, () => text);
  return html`
    <dl class="tiles overview" aria-label="Live counts" data-loaded=${totalsLoaded.value}>
      <${Tile} name="missions" label="Missions active" value=${say(count(now.missionsActive))} href=${link("trace", { state: "running" })}
        note=${say(`${count(now.missions)} in all`)} tone=${now.missionsActive > 0 ? "running" : ""} />
      <${Tile} name="jobs" label="Jobs running" value=${say(count(now.jobsRunning))} href=${link("lifecycle", { type: "job" })}
        note=${say(`${count(now.jobs)} in all · ${count(now.jobsQueued)} queued`)} />
      <${Tile} name="attempts" label="Attempts running" value=${say(count(now.attemptsRunning))} href=${link("lifecycle", { type: "attempt" })}
        note=${say(`${count(now.attempts)} in all · ${percent(now.errorShare)} fail`)} />
      <${Tile} name="tokens" label="Tokens" value=${say(count(now.tokens))} href=${link("budget")}
        note=${say(`${brief(now.inputTokens)} in · ${brief(now.outputTokens)} out`)} />
      <${Tile} name="cost" label="Cost" value=${say(money(now.costUsd))} href=${link("budget")}
        note=${say(now.unpriced > 0 ? `${whole(now.unpriced)} calls unpriced` : "every call priced")} />
      <${Tile} name="violations" label="Violations" value=${say(count(now.violations))} href=${link("budget")}
        note=${say(now.orphans > 0 ? `and ${count(now.orphans)} ${now.orphans === 1 ? "orphan" : "orphans"}` : "budgets and lifecycle")}
        tone=${now.violations > 0 ? "failed" : ""} />
      <${HealthTiles} />
      <${StatesTile} />
      <${IngestTile} />
    </dl>
  `;
}

/** Attempts by state, as one bar. */
function StatesTile() {
  const held = totals.value.byState.attempt ?? {};
  const parts = STATES.map((state) => ({ state, value: held[state] ?? 0 })).filter((part) => part.value > 0);
  const sum = parts.reduce((all, part) => all + part.value, 0);
  const ended = (held.succeeded ?? 0) + (held.failed ?? 0) + (held.timeout ?? 0) + (held.cancelled ?? 0);
  let at = 0;
  return html`
    <div class="tile" data-tile="states">
      <dt><a href=${link("lifecycle", { type: "attempt" })}>Success rate</a></dt>
      <dd class="tile-value">${ended > 0 ? percent((held.succeeded ?? 0) / ended) : "–"}</dd>
      <dd class="tile-note tile-bar">
        <svg viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label=${parts.map((part) => `${part.value} ${part.state}`).join(", ")}>
          ${parts.map(({ state, value }) => {
            const x = at;
            at += (value / sum) * 100;
            return html`<rect key=${state} data-state=${state} x=${x} y="0" width=${(value / sum) * 100} height="6" />`;
          })}
        </svg>
      </dd>
    </div>
  `;
}
