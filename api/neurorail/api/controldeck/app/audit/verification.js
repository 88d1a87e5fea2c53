// @ts-check
/** Recomputes every hash of the audit chain on the server, and shows how far it is. */

import { html, signal } from "../../vendor/ui.js";
import { address } from "../api.js";
import { count, duration, shortId } from "../format.js";

const FAULTS_SHOWN = 20;

/** @typedef {{node: string, events: number, last_hash?: string, faults?: any[]}} NodeReport */
const state = signal(/** @type {"idle" | "running" | "done" | "failed" | "cancelled"} */ ("idle"));
const progress = signal({ checked: 0, total: 0 });
const report = signal(/** @type {{ok: boolean, events: number, nodes: any[]} | null} */ (null));
const problem = signal("");
const tookMs = signal(0);

/** Ends the request, and with it the server's work. */
let running = new AbortController();

async function verify() {
  const began = performance.now();
  state.value = "running";
  running = new AbortController();
  progress.value = { checked: 0, total: 0 };
  report.value = null;
  try {
    const answer = await fetch(address("audit/verify"), { signal: running.signal });
    if (!answer.ok || answer.body === null) throw new Error((await answer.json().catch(() => null))?.detail ?? `the server answered ${answer.status}`);
    await eachLine(answer.body, (line) => {
      const said = JSON.parse(line);
      if (said.error) throw new Error(String(said.error));
      if (said.report) report.value = said.report;
      else progress.value = said;
    });
    if (report.value === null) throw new Error("the server stopped before it was done");
    state.value = "done";
  } catch (failed) {
    problem.value = failed instanceof Error ? failed.message : String(failed);
    state.value = running.signal.aborted ? "cancelled" : "failed";
  }
  tookMs.value = performance.now() - began;
}

/** @param {ReadableStream<Uint8Array>} body @param {(line: string) => void} take */
async function eachLine(body, take) {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line) take(line);
  }
  if (rest.trim()) take(rest);
}

export function Verification() {
  const { checked, total } = progress.value;
  const found = report.value;
  return html`
    <section class="panel verification" data-panel="verification" data-verified=${state.value === "done" ? String(found?.ok) : ""} data-state=${state.value} aria-label="Verification of the chain">
      <div class="verification-row">
        <p role="status">${says(found, checked, total)}</p>
        ${state.value === "running"
          ? html`<button type="button" onClick=${() => running.abort()}>Cancel</button>`
          : html`<button type="button" class="primary" onClick=${verify}>Verify the chain</button>`}
      </div>
      ${state.value === "running" && html`<progress max=${total || 1} value=${checked} aria-label="Events checked"></progress>`}
      ${found && html`
        <ul class="nodes">
          ${found.nodes.map((node) => html`
            <li key=${node.node}><span class="id">${node.node}</span> ${count(node.events ?? 0)} events
              ${node.last_hash && html`<span class="id faint" title=${node.last_hash}>last hash ${shortId(node.last_hash)}</span>`}
              <span>${count(node.anchors ?? 0)} ${node.anchors === 1 ? "checkpoint agrees" : "checkpoints agree"}${node.erased_details ? `, ${count(node.erased_details)} with erased details` : ""}</span>
              <${Faults} node=${node} />
            </li>`)}
        </ul>`}
    </section>
  `;
}

/** The first rows that do not hold, as the server names them. @param {{node: any}} props */
function Faults({ node }) {
  const faults = node.faults ?? [];
  if (faults.length === 0) return null;
  return html`
    <ol class="faults">
      ${faults.slice(0, FAULTS_SHOWN).map((/** @type {any} */ fault) => html`
        <li key=${fault.kind + fault.event_id + fault.detail}><span class="code">${fault.kind.replaceAll("_", " ")}</span> <span class="id">${fault.event_id}</span> ${fault.detail}</li>`)}
      ${node.fault_count > FAULTS_SHOWN && html`<li>and ${count(node.fault_count - FAULTS_SHOWN)} more: <code>neurorail audit verify --json</code></li>`}
    </ol>
  `;
}

/** @param {{ok: boolean, events: number} | null} found @param {number} checked @param {number} total */
function says(found, checked, total) {
  switch (state.value) {
    case "running": return `Checked ${count(checked)} of ${count(total)} events.`;
    case "cancelled": return `Cancelled after ${count(checked)} of ${count(total)} events.`;
    case "failed": return html`<strong class="bad">Could not be verified.</strong> ${problem.value}`;
    case "done": return found?.ok
      ? html`<strong class="good">The chain holds.</strong> ${count(found.events)} events recomputed in ${duration(tookMs.value)}.`
      : html`<strong class="bad">The chain is broken.</strong> ${count(found?.events ?? 0)} events recomputed; the faults are below.`;
    default: return "Every event carries the hash of the one before it. Verification recomputes them all, from the store.";
  }
}
