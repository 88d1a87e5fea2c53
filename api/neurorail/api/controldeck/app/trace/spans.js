// @ts-check
/** The spans as they came, with every attribute. */

import { html, useEffect, useSignal } from "../../vendor/ui.js";
import { getSpans } from "../api.js";
import { Values } from "../event-sheet.js";
import { duration } from "../format.js";
import { Export } from "../export.js";
import { Nothing } from "../panel.js";

/** @typedef {{trace_id: string, span_id: string, parent_span_id: string | null, name: string, kind: string, service: string, scope: string, start_time: string, duration_ns: number, status: string, status_message: string, attributes: Record<string, string>, resource_attributes: Record<string, string>, events: {name: string, timestamp: string, attributes: Record<string, string>}[]}} Span */

/** @type {import("../export.js").Columns<Span>} */
const COLUMNS = {
  trace_id: (span) => span.trace_id, span_id: (span) => span.span_id, parent_span_id: (span) => span.parent_span_id,
  name: (span) => span.name, kind: (span) => span.kind, service: (span) => span.service, start_time: (span) => span.start_time,
  duration_ns: (span) => span.duration_ns, status: (span) => span.status, attributes: (span) => span.attributes,
};

/** @param {{missionId: string, entity: import("../entity.js").Entity}} props */
export function Spans({ missionId, entity }) {
  const spans = useSignal(/** @type {Span[] | null} */ (null));
  const problem = useSignal("");

  function read() {
    getSpans(missionId).then(
      (answer) => {
        spans.value = answer.spans;
        problem.value = "";
      },
      (failed) => (problem.value = String(failed.message ?? failed)),
    );
  }
  useEffect(read, [missionId, entity.state]);

  const mine = (spans.value ?? []).filter((span) => entity.id === missionId || of(span, entity.id));
  if (mine.length === 0) {
    return html`
      <${Nothing} loading=${spans.value === null && problem.value === ""} problem=${problem.value} onRetry=${read}>
        <p><strong>No span names this ${entity.type}.</strong></p><p>Spans arrive when work ends, and are archived about a second later.</p>
        <button type="button" onClick=${read}>Look again</button>
      <//>
    `;
  }
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label="Spans in order of their start">
      ${mine.map((span) => html`
        <details class="span" key=${span.span_id} data-status=${span.status}>
          <summary><span class="event-type">${span.name}</span><span class="faint">${span.kind} · ${span.service}</span><span class="number">${duration(span.duration_ns / 1e6)}</span></summary>
          <${Values} entries=${[["trace_id", span.trace_id], ["span_id", span.span_id], ["parent_span_id", span.parent_span_id || "none: the root"], ["start_time", span.start_time], ["status", [span.status, span.status_message].filter(Boolean).join(": ")], ["scope", span.scope]]} />
          <h3>Attributes</h3><${Values} entries=${Object.entries(span.attributes)} />
          ${span.events.length > 0 && html`<h3>Events</h3><${Values} entries=${span.events.map((event) => [event.name, event.attributes])} />`}
          <h3>Resource</h3><${Values} entries=${Object.entries(span.resource_attributes)} />
        </details>
      `)}
      <p class="sheet-actions"><${Export} name="spans" rows=${mine} columns=${COLUMNS} /></p>
    </div>
  `;
}

/** Whether a span names an entity, or gave it its id. @param {Span} span @param {string} id */
const of = (span, id) => Object.values(span.attributes).includes(id) || id.slice(2) === span.span_id;
