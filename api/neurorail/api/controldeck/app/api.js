// @ts-check
/** The HTTP API, as the pages use it. */

import { HOME } from "./home.js";
import { current, turnedAway, writing } from "./session.js";

const ROOT = new URL("../api/neurorail/v1/", HOME);

/** @param {string} path @returns {string} */
export const address = (path) => new URL(path, ROOT).href;

/**
 * @param {string} path relative to /api/neurorail/v1/
 * @returns {Promise<any>} the answer's JSON; rejects with a sentence when there is none
 */
export async function get(path) {
  const sent = current();
  return read(path, sent, await reach(path, { headers: { accept: "application/json" } }));
}

/** @param {string} path @returns {Promise<string>} the answer as it came; rejects as `get` */
export async function getText(path) {
  const sent = current();
  const answer = await reach(path);
  return answer.ok ? answer.text() : read(path, sent, answer);
}

/** @param {string} path @param {object} [body] @returns {Promise<any>} as `get` */
export async function post(path, body = {}) {
  const headers = { accept: "application/json", "content-type": "application/json", ...writing() };
  const sent = current();
  return read(path, sent, await reach(path, { method: "POST", headers, body: JSON.stringify(body) }));
}

/** Browsers each have words of their own for a server that is away. @param {string} path @param {RequestInit} [how] */
async function reach(path, how) {
  try {
    return await fetch(address(path), how);
  } catch {
    throw new Error("the server cannot be reached");
  }
}

/** @param {string} path @param {string} sent @param {Response} answer */
async function read(path, sent, answer) {
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => null);
  const detail = problem?.detail ?? `${path}: the server answered ${answer.status}`;
  if (answer.status === 401) turnedAway(detail, sent);
  throw new Error(detail);
}

/** Absent and empty values are left out. @param {Record<string, string | number | null | undefined>} values */
export function query(values) {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && value !== undefined && value !== "") found.set(name, String(value));
  }
  return found.toString();
}

/** @param {number} limit */
export const getMissions = (limit) => get(`missions?limit=${limit}`);

/** @param {string} type @param {string} id */
export const getTrace = (type, id) => get(`identity/trace/${type}/${encodeURIComponent(id)}`);

/** @param {Record<string, string | number | null | undefined>} filter */
export const getEvents = (filter) => get(`audit/events?${query(filter)}`);

/** @param {string} type @param {string} id */
export const getTransitions = (type, id) => get(`lifecycle/history/${type}/${encodeURIComponent(id)}?limit=1000`);

/** @param {string} id */
export const getSpans = (id) => get(`missions/${encodeURIComponent(id)}/spans`);

export const getSnapshot = () => get("telemetry/snapshot");
