// @ts-check
/** Changing a limit of what runs: how it stands now, the new limit, why; then what the server says of it. */

import { html, signal, useSignal } from "../../vendor/ui.js";
import { post } from "../api.js";
import { amount } from "../events.js";
import { shortId } from "../format.js";
import { Nothing } from "../panel.js";
import { useReading } from "../reading.js";
import { may } from "../session.js";
import { Sheet } from "../sheet.js";

/**
 * @typedef {object} Limit
 * @property {string} kind
 * @property {number} limit
 * @property {number} consumed
 * @property {number} reserved
 * @property {number} unsettled
 * @property {number} left
 * @property {string} severity
 * @property {string} rule_id
 */
/** @typedef {Limit & {whose: string, own: boolean}} Line */
/** @typedef {{type: string, id: string, kind: string}} Target */

/** Kinds of limits: the field that sets one, what it is called, and how many of the API's units are one of the form's. @type {Record<string, [string, string, number]>} */
const KINDS = {
  cost: ["max_cost_usd", "Cost, in US dollars", 1],
  tokens: ["max_tokens", "Tokens", 1],
  input_tokens: ["max_input_tokens", "Input tokens", 1],
  output_tokens: ["max_output_tokens", "Output tokens", 1],
  tool_calls: ["max_tool_calls", "Calls of tools", 1],
  model_calls: ["max_model_calls", "Calls of models", 1],
  wall_time: ["timeout_ms", "Time, in seconds", 1000],
  retries: ["max_retries", "Retries", 1],
  parallel: ["max_parallel", "Attempts at once", 1],
};
const READ_AGAIN = ["cost_tracked", "mode_decided", "reservation_settled", "budget_changed"];

const target = signal(/** @type {Target | null} */ (null));

/** The button that opens the form; nothing for whoever may not, or where the entity has ended. @param {{entity: import("../entity.js").Entity, kind?: string}} props kind: as `usesOf` calls a limit */
export function ChangeBudget({ entity, kind = "" }) {
  const ended = entity.endedMs !== null || entity.type === "resource";
  if (ended || !may("manage:enforcement")) return null;
  return html`<button type="button" class="quiet raise" aria-label=${`Raise the ${kind || "budget"}${kind ? " limit" : ""} of ${entity.type} ${entity.id}`}
    onClick=${() => (target.value = { type: entity.type, id: entity.id, kind: kind === "time" ? "wall_time" : kind.replaceAll(" ", "_") })}>Raise…</button>`;
}

/** Stands once on a page that has such buttons. */
export function ChangeSheet() {
  const entity = target.value;
  return html`
    <${Sheet} open=${entity !== null} title=${entity ? html`Budget of ${entity.type} <span class="id">${shortId(entity.id)}</span>` : ""} onClose=${() => (target.value = null)}>
      ${entity && html`<${Form} key=${entity.id} entity=${entity} />`}
    <//>
  `;
}

/** Every limit that holds for the entity, its own first. @param {any} answer @param {Target} entity @returns {Line[]} */
function linesOf(answer, entity) {
  return (answer?.budgets ?? []).flatMap((/** @type {any} */ scope) => {
    const own = scope.entity_id === entity.id;
    const whose = own ? `this ${entity.type}` : scope.pool !== undefined ? `pool ${scope.pool} ${keyOf(scope.key)}` : `its ${scope.entity_type}`;
    return scope.limits.map((/** @type {Limit} */ each) => ({ ...each, whose, own }));
  }).sort((/** @type {Line} */ a, /** @type {Line} */ b) => Number(b.own) - Number(a.own));
}

/** @param {string} key of a pool: a list as JSON */
const keyOf = (key) => JSON.parse(key).map((/** @type {any} */ part) => part ?? "–").join(" · ");

/** @param {string} kind @param {any} value */
const written = (kind, value) => (value === null ? "no limit" : amount(kind === "wall_time" ? "timeout" : kind, value));

/** @param {{entity: Target}} props */
function Form({ entity }) {
  const reading = useReading(`budgets?entity_id=${encodeURIComponent(entity.id)}`, READ_AGAIN);
  const chosen = useSignal("");
  const problem = useSignal("");
  const busy = useSignal(false);
  const done = useSignal(/** @type {any} */ (null));
  const lines = linesOf(reading.value.value, entity);
  const own = lines.filter((line) => line.own && line.severity === "enforce");
  const kind = chosen.value || entity.kind || own[0]?.kind || "cost";
  const [field, , unit] = KINDS[kind] ?? ["", "", 1];
  const now = own.find((line) => line.kind === kind);

  /** @param {SubmitEvent} event */
  async function submitted(event) {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    const given = String(form.get("limit")).trim();
    busy.value = true;
    problem.value = "";
    try {
      done.value = await post(`budgets/${entity.type}/${encodeURIComponent(entity.id)}`, {
        limits: { [field]: kind === "cost" ? given : Math.round(Number(given) * unit) },
        reason: String(form.get("reason")).trim(),
      });
      reading.refresh();
    } catch (failed) {
      problem.value = failed instanceof Error ? failed.message : String(failed);
    }
    busy.value = false;
  }

  return html`
    <div class="form">
      ${reading.value.value === null
        ? html`<${Nothing} loading=${reading.problem.value === ""} problem=${reading.problem.value} onRetry=${reading.refresh} />`
        : html`<${Standing} lines=${lines} />`}
      ${done.value && html`<${Done} answer=${done.value} />`}
    </div>
    <form class="form" onSubmit=${submitted}>
      <label>Limit of<select name="kind" value=${kind} onChange=${(/** @type {any} */ event) => (chosen.value = event.target.value)}>
        ${Object.entries(KINDS).map(([name, [, text]]) => html`<option key=${name} value=${name}>${text}</option>`)}</select></label>
      <label>New limit${now ? ` (now ${written(kind, now.limit)}, ${written(kind, now.consumed)} consumed)` : " (now no limit of its own)"}
        <input name="limit" type="number" min="0" step=${kind === "cost" || kind === "wall_time" ? "any" : "1"} required inputmode="decimal" autocomplete="off" /></label>
      <label>Reason<input name="reason" required pattern=".*\\S.*" maxlength="1000" autocomplete="off" /></label>
      <label class="tick"><input type="checkbox" required name="sure" /> I mean it: the new limit holds from now on</label>
      <p class="faint">It stands in place of what telemetry and the manifest say of this limit. Budgets above and pools hold as before. A limit below what is consumed is used up at once.</p>
      ${problem.value && html`<p class="sign-in-problem" role="alert">${problem.value}</p>`}
      <p class="sheet-actions">
        <button type="submit" class="primary" disabled=${busy.value}>Set the limit</button>
        <button type="button" onClick=${() => (target.value = null)}>${done.value ? "Done" : "Leave it"}</button>
      </p>
    </form>
  `;
}

/** @param {{lines: Line[]}} props */
function Standing({ lines }) {
  if (lines.length === 0) return html`<p>Nothing limits it so far.</p>`;
  return html`
    <table class="standing">
      <caption class="unseen">What holds now</caption>
      <thead><tr><th scope="col">Limit</th><th scope="col">Of</th><th scope="col">Consumed</th><th scope="col">Reserved</th><th scope="col">Limit</th><th scope="col">Left</th></tr></thead>
      <tbody>
        ${lines.map((line) => html`
          <tr key=${line.whose + line.kind + line.rule_id} data-limit=${line.kind} data-own=${line.own} data-level=${line.left <= 0 ? "over" : "well"}>
            <th scope="row">${line.kind.replaceAll("_", " ")}</th><td>${line.whose}${line.severity === "enforce" ? "" : ` (${line.severity})`}</td>
            <td>${written(line.kind, line.consumed)}</td><td>${written(line.kind, line.reserved + line.unsettled)}</td><td>${written(line.kind, line.limit)}</td><td><b>${written(line.kind, line.left)}</b></td>
          </tr>`)}
      </tbody>
    </table>
  `;
}

/** What the server answered. @param {{answer: any}} props */
function Done({ answer }) {
  return html`
    <div role="status" class="changed">
      ${Object.entries(KINDS).filter(([, [field]]) => field in answer.limits).map(([kind, [field]]) => {
        const bound = answer.remaining.find((/** @type {any} */ one) => one.kind === kind);
        const by = bound?.bound_by;
        return html`<p key=${kind}><strong>${kind.replaceAll("_", " ")}: ${written(kind, answer.before[field])} → ${written(kind, answer.limits[field])}.</strong>
          ${bound && ` ${written(kind, bound.least_left)} left${by ? `, bound by ${by.pool ? `pool ${by.pool}` : `its ${by.entity_type}`}` : ""}.`}
          ${answer.lifted.length > 0 ? " What was stopped goes on." : ""}</p>`;
      })}
    </div>
  `;
}
