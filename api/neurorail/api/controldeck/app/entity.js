// @ts-check
/** An entity of the execution chain, as the page holds it. */

/**
 * @typedef {{
 *   id: string, type: string, parentId: string, missionId: string, state: string, flags: string[],
 *   createdMs: number | null, startedMs: number | null, endedMs: number | null,
 *   name: string, agent: string, service: string, errorCode: string,
 *   inputTokens: number, outputTokens: number, costUsd: number, unpriced: number, retries: number,
 *   attempts: number, modelCalls: number, toolCalls: number, firstSignalMs: number | null,
 *   budget: Budget | null, tags: Record<string, string>, metadata: Record<string, any>,
 *   model: string, tool: string, provider: string, jobType: string,
 *   guessed?: boolean
 * }} Entity `guessed`: it is known from its events alone, and when it was created is when one came
 * @typedef {{timeout_ms: number | null, max_tokens: number | null, max_cost_usd: number | null,
 *   max_retries: number | null, max_parallel: number | null, max_tool_calls: number | null,
 *   max_input_tokens?: number | null, max_output_tokens?: number | null, max_model_calls?: number | null}} Budget
 * @typedef {{entity: Entity, depth: number, parent: string, children: number}} TreeRow
 */

export const STATES = ["pending", "queued", "running", "succeeded", "failed", "timeout", "cancelled"];
export const TERMINAL = new Set(["succeeded", "failed", "timeout", "cancelled"]);

export const LEVELS = ["mission", "plan", "job", "attempt", "resource"];
const PARENT_FIELD = ["", "mission_id", "plan_id", "job_id", "attempt_id"];

/** Milliseconds of an ISO 8601 time; not every browser reads nine digits. @param {string | null | undefined} text */
export function time(text) {
  return text ? Date.parse(text.replace(/(\.\d{3})\d+/, "$1")) : null;
}

/** What people call it: the agent of a mission, the type of a job, the model or tool of a call. @param {any} body */
function nameOf(body) {
  switch (body.entity_type) {
    case "mission":
      return body.agent || body.service || "";
    case "plan":
      return body.plan_type ?? "";
    case "job":
      return [body.job_type, body.agent].filter(Boolean).join(" · ");
    case "attempt":
      return body.attempt_number ? `#${body.attempt_number}` : "";
    default:
      return body.tool || body.model || body.resource_type || "";
  }
}

/** @param {any} body an entity of the API @returns {Entity} */
export function readEntity(body) {
  const level = LEVELS.indexOf(body.entity_type);
  const totals = body.totals ?? {};
  return {
    id: body.entity_id,
    type: body.entity_type,
    parentId: body.parent_id || body[PARENT_FIELD[level] ?? ""] || "",
    missionId: body.mission_id ?? "",
    state: body.state ?? "",
    flags: body.flags ?? [],
    createdMs: time(body.created_at),
    startedMs: time(body.started_at),
    endedMs: time(body.ended_at),
    name: nameOf(body),
    agent: body.agent || "",
    service: body.service || "",
    errorCode: body.error_code || "",
    inputTokens: totals.input_tokens ?? 0,
    outputTokens: totals.output_tokens ?? 0,
    costUsd: totals.cost_usd ?? 0,
    unpriced: totals.unpriced_calls ?? 0,
    retries: totals.retry_count ?? 0,
    attempts: totals.attempt_count ?? 0,
    modelCalls: totals.model_calls ?? 0,
    toolCalls: totals.tool_calls ?? 0,
    firstSignalMs: body.tt_first_signal_ms ?? null,
    budget: body.budget ?? null,
    tags: body.tags ?? {},
    metadata: body.metadata ?? {},
    model: body.model || "",
    tool: body.tool || "",
    provider: body.provider || "",
    jobType: body.job_type || "",
  };
}

/** From start to end, or to now while it runs; null before it started. @param {Entity} entity @param {number} nowMs */
export function elapsed(entity, nowMs) {
  if (entity.startedMs === null) return null;
  if (entity.endedMs !== null) return entity.endedMs - entity.startedMs;
  return TERMINAL.has(entity.state) ? null : Math.max(0, nowMs - entity.startedMs);
}

/** Every entity of a trace answer, once. @param {any} trace @returns {Entity[]} */
export function readTrace(trace) {
  /** @type {Map<string, Entity>} */
  const found = new Map();
  const bodies = [trace.mission, ...(trace.descendants ?? []), ...(trace.resources ?? [])];
  for (const body of bodies) {
    if (body && !found.has(body.entity_id)) found.set(body.entity_id, readEntity(body));
  }
  return [...found.values()];
}

/**
 * The rows of a tree, parents before children, siblings in order of time.
 * Nothing is dropped: an entity whose parent is not among them hangs below the root.
 * @param {Entity[]} entities @param {string} rootId @param {Set<string>} closed ids whose children are hidden
 * @returns {TreeRow[]}
 */
export function treeRows(entities, rootId, closed) {
  const known = new Set(entities.map((entity) => entity.id));
  /** @type {Map<string, Entity[]>} */
  const below = new Map();
  for (const entity of entities) {
    if (entity.id === rootId) continue;
    const parent = known.has(entity.parentId) ? entity.parentId : rootId;
    const siblings = below.get(parent);
    if (siblings) siblings.push(entity);
    else below.set(parent, [entity]);
  }
  for (const siblings of below.values()) siblings.sort((a, b) => begin(a) - begin(b));
  /** @type {TreeRow[]} */
  const rows = [];
  const root = entities.find((entity) => entity.id === rootId);
  /** @type {{entity: Entity, depth: number, parent: string}[]} */
  const stack = root ? [{ entity: root, depth: 0, parent: "" }] : [];
  for (let at = stack.pop(); at; at = stack.pop()) {
    const children = below.get(at.entity.id) ?? [];
    rows.push({ ...at, children: children.length });
    if (closed.has(at.entity.id)) continue;
    const { depth, entity } = at;
    for (const child of [...children].reverse()) {
      stack.push({ entity: child, depth: depth + 1, parent: entity.id });
    }
  }
  return rows;
}

/** @param {Entity} entity */
const begin = (entity) => entity.startedMs ?? entity.createdMs ?? Number.MAX_SAFE_INTEGER;
