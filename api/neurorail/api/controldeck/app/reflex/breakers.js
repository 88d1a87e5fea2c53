// @ts-check
/** Circuit breakers as cards, with what an operator may do to them. */

import { html, useSignal } from "../../vendor/ui.js";
import { post } from "../api.js";
import { ask } from "../ask.js";
import { time } from "../entity.js";
import { Export } from "../export.js";
import { ago, count, duration } from "../format.js";
import { Nothing, Panel } from "../panel.js";
import { ScopeMarks, scopeText } from "../scope.js";
import { may } from "../session.js";
import { now } from "../store.js";
import { failureText, MINUTES, Outcomes } from "./outcomes.js";
import { StopForm } from "./stop-form.js";

/** @type {Record<string, string>} */
const TONES = { open: "failed", half_open: "queued", closed: "succeeded" };
/** @type {import("../export.js").Columns<any>} */
const COLUMNS = Object.fromEntries(
  ["circuit_id", "rule", "scope", "state", "since", "half_open_at", "held", "reason", "openings", "failure_count", "success_count", "probes_in_flight", "probes_max", "outcomes"]
    .map((name) => [name, (/** @type {any} */ row) => row[name]]),
);

/** @param {{reading: any, failures: import("../event-log.js").EventLog}} props */
export function Breakers({ reading, failures }) {
  const opening = useSignal(/** @type {"" | "open"} */ (""));
  const rows = reading.value.value?.breakers ?? [];
  const sorted = [...rows].sort((a, b) => rank(a.state) - rank(b.state) || (time(b.since) ?? 0) - (time(a.since) ?? 0));
  return html`
    <${Panel} name="breakers" class="breakers" title="Circuit breakers" note=${rows.length > 0 ? count(rows.length) : ""}
      tools=${html`
        ${may("execute:reflex") && html`<button type="button" onClick=${() => (opening.value = "open")}>Open a circuit…</button>`}
        <${Export} name="breakers" rows=${rows} columns=${COLUMNS} />`}>
      <div class="scroll" tabindex="0" role="region" aria-label="Cards of circuit breakers">
        ${rows.length === 0 && html`<${Nothing} loading=${reading.value.value === null && reading.problem.value === ""} problem=${reading.problem.value} onRetry=${reading.refresh}>
          <p><strong>No circuit opened.</strong></p><p>A breaker shows here once a rule of the manifest, or a person, opened it.</p><//>`}
        <ul class="cards">${sorted.map((row) => html`<${Card} key=${row.circuit_id} row=${row} moves=${failures.rows.value} />`)}</ul>
      </div>
    <//>
    ${may("execute:reflex") && html`<${StopForm} action=${opening.value} onClose=${() => (opening.value = "")} />`}
  `;
}

/** @param {string} state */
const rank = (state) => ["open", "half_open", "closed"].indexOf(state);

/** @param {{row: any, moves: import("../events.js").StreamEvent[]}} props */
function Card({ row, moves }) {
  const until = time(row.half_open_at);
  const left = until === null ? 0 : until - now.value;
  return html`
    <li class="card" data-circuit=${row.circuit_id} data-circuit-state=${row.state} style=${{ "--tone": `var(--${TONES[row.state] ?? "cancelled"})` }}>
      <p class="card-head"><span class="state">${row.state.replace("_", " ")}</span><b>${row.rule || "by hand"}</b>${row.held && html`<span class="flag">held</span>`}</p>
      <p><${ScopeMarks} scope=${row.scope} /></p>
      <p class="faint" title=${row.reason}>${row.reason || "no reason was given"}</p>
      <${Outcomes} outcomes=${row.outcomes} />
      <${Openings} moves=${moves.filter((move) => move.data.circuit_id === row.circuit_id)} />
      <dl class="card-facts">
        <div><dt>${row.state === "open" && left > 0 ? "Tries again in" : "Since"}</dt><dd>${row.state === "open" && left > 0 ? duration(left) : ago(time(row.since) ?? 0, now.value)}</dd></div>
        <div data-fact="rate"><dt>${MINUTES} min</dt><dd>${failureText(row.outcomes)}</dd></div>
        <div><dt>Failures</dt><dd>${count(row.failure_count)}</dd></div>
        <div><dt>Opened</dt><dd>${count(row.openings)} ×</dd></div>
        <div><dt>Probes</dt><dd>${row.state === "half_open" ? `${row.success_count} of ${row.successes_to_close} well, ${row.probes_in_flight} of ${row.probes_max} under way` : "–"}</dd></div>
      </dl>
      ${may("execute:reflex") && html`
        <p class="card-actions">
          ${row.state !== "closed" && html`<button type="button" onClick=${() => act("close", row)}>Close</button>`}
          ${!(row.state === "open" && row.held) && html`<button type="button" onClick=${() => act("open", row)}>Hold open</button>`}
        </p>`}
    </li>
  `;
}

/** @param {"open" | "close"} action @param {any} row */
function act(action, row) {
  const about = scopeText(row.scope);
  ask({
    title: action === "close" ? "Close the circuit" : "Hold the circuit open",
    says: action === "close"
      ? html`<p>Calls with <b>${about}</b> may begin again at once.</p>`
      : html`<p>Calls with <b>${about}</b> are refused until somebody closes the circuit.</p>`,
    verb: action === "close" ? "Close it" : "Hold it open",
    danger: action === "open",
    act: (reason) => post(`reflex/${action}`, { circuit_id: row.circuit_id, reason }),
  });
}

/** When it opened and closed lately. @param {{moves: import("../events.js").StreamEvent[]}} props */
function Openings({ moves }) {
  const from = now.value - MINUTES * 60_000;
  const recent = moves.filter((move) => move.type === "circuit_state_changed" && move.atMs >= from).reverse();
  let state = recent[0]?.data.from_state ?? moves[0]?.data.to_state ?? "closed";
  let at = 0;
  const parts = [...recent.map((move) => ({ x: ((move.atMs - from) / (now.value - from)) * 100, next: move.data.to_state })), { x: 100, next: "" }].map(({ x, next }) => {
    const part = { state, x: at, width: Math.max(0, x - at) };
    at = x;
    state = next;
    return part;
  });
  return html`
    <svg class="openings" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label=${`${recent.length} moves in the last ${MINUTES} minutes`}>
      ${parts.map((part, index) => html`<rect key=${index} x=${part.x} y=${part.state === "closed" ? 6 : 0} width=${part.width} height=${part.state === "closed" ? 2 : 8} style=${{ fill: `var(--${TONES[part.state] ?? "line"})` }} />`)}
    </svg>
  `;
}
