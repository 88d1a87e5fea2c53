// @ts-check
/** The numbers of the tiles: the server's counts, moved on by the events that came after them. */

import { time } from "./entity.js";
import { isViolation } from "./events.js";

/**
 * @typedef {{
 *   asOfMs: number, missions: number, missionsActive: number, jobs: number, jobsRunning: number,
 *   jobsQueued: number, attempts: number, attemptsRunning: number, tokens: number,
 *   inputTokens: number, outputTokens: number, costUsd: number, unpriced: number, violations: number,
 *   orphans: number, errorShare: number, byState: Record<string, Record<string, number>>
 * }} Totals
 */

/** @param {any} snapshot @returns {Totals} */
export function readSnapshot(snapshot) {
  const { entity_counts: counts = {}, active_executions: active = {}, totals = {} } = snapshot;
  const input = totals.input_tokens ?? 0;
  const output = totals.output_tokens ?? 0;
  return {
    asOfMs: time(snapshot.timestamp) ?? 0,
    missions: counts.missions ?? 0,
    missionsActive: active.running_missions ?? 0,
    jobs: counts.jobs ?? 0,
    jobsRunning: active.running_jobs ?? 0,
    jobsQueued: active.queued_jobs ?? 0,
    attempts: counts.attempts ?? 0,
    attemptsRunning: active.running_attempts ?? 0,
    tokens: input + output,
    inputTokens: input,
    outputTokens: output,
    costUsd: totals.cost_usd ?? 0,
    unpriced: totals.unpriced_calls ?? 0,
    violations: totals.violations ?? 0,
    orphans: totals.orphans ?? 0,
    errorShare: Object.values(snapshot.error_rates ?? {}).reduce((sum, each) => sum + Number(each), 0),
    byState: snapshot.by_state ?? {},
  };
}

/**
 * The totals after one more event. Events that the counts know already change nothing.
 * @param {Totals} totals @param {import("./events.js").StreamEvent} event @returns {Totals}
 */
export function addEvent(totals, event) {
  if (event.atMs <= totals.asOfMs) return totals;
  const { data } = event;
  if (event.type === "cost_tracked") {
    const input = Number(data.input_tokens ?? 0);
    const output = Number(data.output_tokens ?? 0);
    return {
      ...totals,
      tokens: totals.tokens + input + output,
      inputTokens: totals.inputTokens + input,
      outputTokens: totals.outputTokens + output,
      costUsd: totals.costUsd + Number(data.cost ?? 0),
    };
  }
  if (event.type === "state_changed") return addTransition(totals, data);
  if (isViolation(event)) return { ...totals, violations: totals.violations + 1 };
  return totals;
}

/** @param {Totals} before @param {Record<string, any>} data @returns {Totals} */
function addTransition(before, data) {
  const totals = { ...before, byState: moved(before.byState, data) };
  const created = data.from_state ? 0 : 1;
  const running = step(data, "running");
  switch (data.entity_type) {
    case "mission":
      return {
        ...totals,
        missions: totals.missions + created,
        missionsActive: atLeast0(totals.missionsActive + running),
      };
    case "job":
      return {
        ...totals,
        jobs: totals.jobs + created,
        jobsRunning: atLeast0(totals.jobsRunning + running),
        jobsQueued: atLeast0(totals.jobsQueued + step(data, "queued")),
      };
    case "attempt":
      return {
        ...totals,
        attempts: totals.attempts + created,
        attemptsRunning: atLeast0(totals.attemptsRunning + running),
      };
    default:
      return totals;
  }
}

/** +1 when the state was entered, −1 when it was left. @param {Record<string, any>} data @param {string} state */
const step = (data, state) => Number(data.to_state === state) - Number(data.from_state === state);

/** @param {number} value */
const atLeast0 = (value) => Math.max(0, value);

/** @param {Record<string, Record<string, number>>} byState @param {Record<string, any>} data */
function moved(byState, data) {
  const of = { ...byState[data.entity_type] };
  if (data.from_state) of[data.from_state] = atLeast0((of[data.from_state] ?? 0) - 1);
  of[data.to_state] = (of[data.to_state] ?? 0) + 1;
  return { ...byState, [data.entity_type]: of };
}
