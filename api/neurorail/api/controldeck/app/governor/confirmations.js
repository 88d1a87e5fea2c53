// @ts-check
/** Questions that work waits for, and the answers that still hold. */

import { html } from "../../vendor/ui.js";
import { post } from "../api.js";
import { ask } from "../ask.js";
import { time } from "../entity.js";
import { Export } from "../export.js";
import { ago, count, duration } from "../format.js";
import { Nothing, Panel } from "../panel.js";
import { GOVERNOR } from "../reading.js";
import { ScopeMarks, scopeText } from "../scope.js";
import { may } from "../session.js";
import { now } from "../store.js";

/** @type {import("../export.js").Columns<any>} */
const COLUMNS = Object.fromEntries(
  ["confirmation_id", "rule", "scope", "question", "state", "since", "until", "unanswered", "reason"].map((name) => [name, (/** @type {any} */ row) => row[name]]),
);

/** @param {{reading: any}} props */
export function Confirmations({ reading }) {
  const rows = reading.value.value?.confirmations ?? [];
  return html`
    <${Panel} name="confirmations" class="breakers" title="Questions for a person" note=${rows.length > 0 ? count(rows.length) : ""}
      tools=${html`<${Export} name="confirmations" rows=${rows} columns=${COLUMNS} />`}>
      <div class="scroll" tabindex="0" role="region" aria-label="Questions">
        ${rows.length === 0 && html`<${Nothing} loading=${reading.value.value === null && reading.problem.value === ""} problem=${reading.problem.value} onRetry=${reading.refresh}>
          <p><strong>Nothing waits for you.</strong></p><p>Where a manifest asks for a person's word, the question shows here and the work waits.</p><//>`}
        <ul class="cards">${rows.map((/** @type {any} */ row) => html`<${Card} key=${row.confirmation_id} row=${row} />`)}</ul>
      </div>
    <//>
  `;
}

/** @type {Record<string, string>} */
const TONES = { pending: "timeout", approved: "succeeded", denied: "failed" };

/** @param {{row: any}} props */
function Card({ row }) {
  const until = time(row.until);
  return html`
    <li class="card" data-confirmation=${row.confirmation_id} data-confirmation-state=${row.state} style=${{ "--tone": `var(--${TONES[row.state] ?? "cancelled"})` }}>
      <p class="card-head"><span class="state">${row.state}</span><b>${row.rule}</b></p>
      <p>${row.question || "May this go on?"}</p>
      <p><${ScopeMarks} scope=${row.scope} /></p>
      <p class="faint">asked ${ago(time(row.since) ?? 0, now.value)} ago${until !== null && until > now.value ? ` · ${row.state === "pending" ? `without an answer ${row.unanswered} in` : "holds for"} ${duration(until - now.value)}` : ""}${row.reason ? ` · ${row.reason}` : ""}</p>
      ${row.state === "pending" && may("manage:governor") && html`
        <p class="card-actions"><button type="button" class="primary" onClick=${() => answer("approve", row)}>Approve…</button><button type="button" class="danger" onClick=${() => answer("deny", row)}>Deny…</button></p>`}
    </li>
  `;
}

/** @param {"approve" | "deny"} word @param {any} row */
function answer(word, row) {
  ask({
    title: word === "approve" ? "Approve" : "Deny",
    says: html`<p>${row.question}</p><p>For <b>${scopeText(row.scope)}</b>. The answer is part of the audit trail, with your name.</p>`,
    verb: word === "approve" ? "Approve" : "Deny",
    danger: word === "deny",
    act: (reason) => post(`${GOVERNOR}confirmations/${encodeURIComponent(row.confirmation_id)}/${word}`, { reason }),
  });
}
