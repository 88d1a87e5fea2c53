// @ts-check
/** What the page knows of event types: how grave they are, and a line that says what happened. */

import { count, duration, money, shortId } from "./format.js";

/**
 * @typedef {{channel: string, event_type: string, timestamp: number, data: Record<string, any>}} Payload
 * @typedef {"info" | "good" | "warning" | "error"} Tone
 * @typedef {{
 *   id: string, channel: string, type: string, atMs: number, tone: Tone, text: string,
 *   entityId: string, entityType: string, missionId: string, data: Record<string, any>
 * }} StreamEvent
 */

export const CHANNELS = ["audit", "lifecycle", "metrics", "reflex", "governor", "enforcement"];

/** Types that mark an entity, with the code they carry when `data` names none. */
const CODES = new Map([
  ["transition_rejected", "NR-E301"],
  ["orphan_detected", "NR-E007"],
  ["budget_violation", "NR-E002"],
  ["timeout_enforced", "NR-E001"],
  ["retry_exhausted", "NR-E003"],
  ["parallelism_rejected", "NR-E002"],
]);

const ERRORS = new Set([
  "transition_rejected", "budget_violation", "timeout_enforced", "retry_exhausted",
  "parallelism_rejected", "record_failed", "dead_letter",
]);
const WARNINGS = new Set([
  "orphan_detected", "budget_warning", "execution_failure", "gap_inferred", "late_input",
  "late_outcome", "entity_idle", "heartbeat_missed", "items_rejected", "usage_too_late",
  "retry_attempted", "directive_issued", "stream_lagged", "access_denied", "trigger_activated",
  "cooldown_activated", "budget_changed", "confirmation_requested", "shadow_diverged", "manifest_refused",
]);
/** @type {Record<string, Tone>} */
const STATE_TONE = { succeeded: "good", failed: "error", timeout: "error", cancelled: "warning" };

/** @type {Record<string, Tone>} */
const CIRCUIT_TONE = { open: "error", half_open: "warning", closed: "good" };

/** Below 0 when `a` came before `b`: of one node by the place that the id names, else by receipt. @param {StreamEvent} a @param {StreamEvent} b */
export function compareEvents(a, b) {
  const [node, ...one] = a.id.split(".");
  const [another, ...other] = b.id.split(".");
  // The stream's times have more digits than those of the API.
  if (node !== another) return a.atMs - b.atMs;
  const differs = one.findIndex((part, at) => part !== other[at]);
  return differs === -1 ? 0 : Number(one[differs]) - Number(other[differs]);
}

/** What the server counts as a violation; the other types with a code accompany one, or warn. */
const VIOLATIONS = new Set(["budget_violation", "transition_rejected"]);

/** @param {{type: string}} event */
export const isViolation = (event) => VIOLATIONS.has(event.type);

/** The code an event puts on its entity, or "". @param {{type: string, data: Record<string, any>}} event */
export function codeOf(event) {
  const code = CODES.get(event.type);
  return code === undefined ? "" : String(event.data.code ?? code);
}

/** @param {string} type @param {Record<string, any>} data @returns {Tone} */
function toneOf(type, data) {
  if (ERRORS.has(type)) return "error";
  if (WARNINGS.has(type)) return "warning";
  if (type === "execution_success" || type === "orphan_lifted") return "good";
  if (type === "mode_decided") return data.allowed ? "info" : "error";
  if (type === "circuit_state_changed") return CIRCUIT_TONE[data.to_state] ?? "info";
  if (type === "rerun_ended") return data.state === "failed" ? "warning" : "info";
  if (type === "reflex_action_executed") return data.success === false ? "warning" : "info";
  if (type === "state_changed") return STATE_TONE[data.to_state] ?? "info";
  return "info";
}

/** @param {string} id @param {Payload} payload @returns {StreamEvent} */
export function readEvent(id, payload) {
  const data = payload.data ?? {};
  const type = payload.event_type;
  return {
    id,
    channel: payload.channel,
    type,
    atMs: payload.timestamp * 1000,
    tone: toneOf(type, data),
    text: (SENTENCES[type] ?? otherwise)(data),
    entityId: entityOf(data),
    entityType: kind(data),
    missionId: data.mission_id ?? "",
    data,
  };
}

/** @param {Record<string, any>} data */
function entityOf(data) {
  return (
    data.entity_id || data.scope?.entity_id || data.resource_id || data.attempt_id || data.job_id || data.plan_id ||
    data.mission_id || ""
  );
}

/** @param {Record<string, any>} data */
const kind = (data) => data.entity_type ?? data.scope?.entity_type ?? KINDS[String(entityOf(data)).slice(0, 2)] ?? "";
/** @type {Record<string, string>} */
const KINDS = { m_: "mission", p_: "plan", j_: "job", a_: "attempt", r_: "resource" };

/** Amount in the unit of a budget. @param {string} type @param {any} value */
export function amount(type, value) {
  if (value === null || value === undefined) return "?";
  if (type === "timeout") return duration(Number(value));
  if (type === "cost") return money(Number(value));
  return count(Number(value));
}

/** @param {Record<string, any>} d */
function budget(d) {
  const used = amount(d.violation_type, d.consumed);
  const kind = String(d.violation_type).replace("_", " ");
  return `${kind} ${used} of ${amount(d.violation_type, d.limit)}`;
}

/** @param {string} name of a limit @param {Record<string, any>} d */
function changed(name, d) {
  const kind = name === "max_cost_usd" ? "cost" : name === "timeout_ms" ? "timeout" : "";
  const before = d.before?.[name] ?? null;
  return `${name} ${before === null ? "none" : amount(kind, before)} → ${amount(kind, d.limits[name])}`;
}

/** @param {Record<string, any>} d */
function stateChanged(d) {
  const from = d.from_state ? `${d.from_state} → ` : "";
  const notes = [d.inferred && "inferred", d.gap && "gap", d.error_code].filter(Boolean);
  return `${kind(d)} ${from}${d.to_state}${notes.length ? ` (${notes.join(", ")})` : ""}`;
}

/** @param {Record<string, any>} d */
function costTracked(d) {
  const what = [d.tool, d.model, d.operation].find(Boolean) ?? "call";
  const tokens = Number(d.llm_tokens ?? 0);
  const parts = [what];
  if (tokens > 0) parts.push(`${count(tokens)} tokens`);
  if (d.priced === false) parts.push("unpriced");
  else if (Number(d.cost ?? 0) > 0) parts.push(money(Number(d.cost)));
  return parts.join(" · ");
}

/** @param {Record<string, any>} d */
function tokensOf(d) {
  const tokens = Number(d.input_tokens ?? 0) + Number(d.output_tokens ?? 0);
  return tokens > 0 && `${count(tokens)} tokens`;
}

/** @type {Record<string, (data: Record<string, any>) => string>} */
const SENTENCES = {
  state_changed: stateChanged,
  cost_tracked: costTracked,
  transition_rejected: (d) =>
    `${kind(d)} cannot ${d.transition} from ${d.current_state || d.from_state || "nothing"}`,
  orphan_detected: (d) => `${kind(d)} has no ${[d.missing ?? "parent"].flat().join(", no ")}`,
  orphan_lifted: (d) => `${kind(d)} found its parent`,
  budget_violation: (d) => `${kind(d)} over budget: ${budget(d)}`,
  budget_warning: (d) => `${kind(d)} near its budget: ${budget(d)}`,
  budget_changed: (d) => `${kind(d)} budget: ${Object.keys(d.limits ?? {}).map((name) => changed(name, d)).join(", ")} · ${d.reason}`,
  budget_change_refused: (d) => `budget not changed: ${d.reason}`,
  timeout_enforced: (d) => `${kind(d)} ran past ${duration(Number(d.timeout_ms))}`,
  retry_attempted: (d) => `attempt ${d.attempt_number ?? Number(d.retries) + 1}`,
  retry_exhausted: (d) => `${d.retries} retries, ${d.max_retries} allowed`,
  parallelism_rejected: (d) => `${d.running} attempts at once, ${d.limit} allowed`,
  execution_start: (d) => `${d.job_type ?? "attempt"}${d.attempt_number > 1 ? ` · attempt ${d.attempt_number}` : ""}`,
  execution_success: (d) => `in ${duration(Number(d.duration_ms))}`,
  execution_failure: (d) =>
    [d.outcome ?? "failed", d.error_code, d.reason].filter(Boolean).join(" · "),
  metrics_recorded: (d) =>
    [
      kind(d),
      duration(d.duration_ms ?? null),
      tokensOf(d),
    ].filter(Boolean).join(" · "),
  tt_first_signal: (d) => `${kind(d)} after ${duration(Number(d.tt_first_signal_ms))}`,
  reservation_settled: (d) => `reservation ${d.how ?? "settled"}`,
  snapshot_created: (d) => `${count(d.active_executions?.running_missions ?? 0)} of ${count(d.entity_counts?.missions ?? 0)} missions run`,
  prices_loaded: (d) => `${d.models} models, version ${d.version}`,
  engine_epoch: (d) => `epoch ${d.epoch}, engine ${d.engine_version}`,
  resumed: (d) => `after ${duration(Number(d.down_ms))} away`,
  entity_idle: (d) => `${kind(d)} idle for ${duration(Number(d.idle_ms))}`,
  heartbeat_missed: (d) => `${kind(d)} silent for ${duration(Number(d.silent_ms))}`,
  late_outcome: (d) => `${kind(d)} already ${d.state}, reports ${d.outcome}`,
  late_input: (d) => `${kind(d)} already ${d.state}, reports ${d.transition}`,
  directive_lifted: (d) => [d.action, d.reason].filter(Boolean).join(" · "),
  circuit_state_changed: (d) => `${d.rule || "by hand"}: ${d.from_state} → ${d.to_state}${d.reason ? ` · ${d.reason}` : ""}`,
  cooldown_activated: (d) => `${d.rule || "by hand"}: nothing may begin for ${duration(Number(d.cooldown_ms))}`,
  trigger_activated: (d) => [d.trigger_id, d.reason].filter(Boolean).join(" · "),
  reflex_action_executed: (d) => [d.action_type, d.rule || "by hand", d.success === false ? d.refusal : "", d.reason].filter(Boolean).join(" · "),
  mode_decided: (d) => [d.allowed ? "allowed" : "refused", d.mode, d.job_type, d.code, d.reason].filter(Boolean).join(" · "),
  confirmation_requested: (d) => d.question || `${d.rule} asks`,
  confirmation_resolved: (d) => [d.answer, d.rule, d.reason].filter(Boolean).join(" · "),
  key_created: (d) => [d.name, d.agent ? `agent ${d.agent}` : (d.role ?? `${d.permissions?.length ?? 0} permissions`)].filter(Boolean).join(" · "),
  key_revoked: (d) => d.name || d.key_id,
  audit_logged: (d) => d.message ?? "",
  override_used: (d) => d.reason ?? "",
  data_erased: (d) => [`${d.missions} missions`, d.reason].filter(Boolean).join(" · "),
  manifest_created: (d) => `${d.version} is a draft`,
  manifest_shadowed: (d) => `${d.version} is evaluated beside the active one`,
  manifest_activated: (d) => `${d.version} took effect${d.previous_version ? ` after ${d.previous_version}` : ""}${d.forced ? ", past its gate" : ""}`,
  manifest_retired: (d) => `${d.version} is out of use`,
  manifest_refused: (d) => `${d.action} ${d.version}: ${d.reason}`,
  shadow_diverged: (d) => `${d.shadow_version} differs from ${d.active_version}: ${[d.differs].flat().join(", ")}`,
  rerun_started: (d) => [d.kind, d.manifest_version, "was asked for"].filter(Boolean).join(" "),
  rerun_ended: (d) => `${d.kind} ${d.state}${d.error ? `: ${d.error}` : ""}`,
  access_denied: (d) => [d.reason, d.operation, d.count > 1 ? `${d.count} times` : ""].filter(Boolean).join(" · "),
  directive_issued: (d) => [d.action, d.code, d.reason].filter(Boolean).join(" · "),
};

const CHAIN = new Set(["mission_id", "plan_id", "job_id", "attempt_id", "resource_id", "entity_id", "entity_type", "event_time"]);

/** The first plain fields, for a type that has no sentence. @param {Record<string, any>} data */
function otherwise(data) {
  return Object.entries(data)
    .filter(([name, value]) => !CHAIN.has(name) && value !== null && value !== "" && typeof value !== "object")
    .slice(0, 3)
    .map(([name, value]) => `${name} ${typeof value === "string" ? shortId(value) : value}`)
    .join(" · ");
}

/** Types that the page has words for; there may be more. */
export const KNOWN_TYPES = Object.keys(SENTENCES);

/** Whether an event is about an entity or something below it. @param {StreamEvent} event @param {string} id */
export const concerns = ({ entityId, missionId, data }, id) =>
  entityId === id || missionId === id || [data.plan_id, data.job_id, data.attempt_id, data.resource_id].includes(id);

/** The filter of the API for an id of any level, or none. @param {string} id @returns {Record<string, string>} */
export function entityFilter(id) {
  const level = KINDS[id.slice(0, 2)];
  return level === undefined ? {} : { [`${level}_id`]: id };
}
