// @ts-check
/** The read side of the HTTP API, as this page uses it. */

/** Found from this module's own address, so that the page works behind any path prefix. */
const ROOT = new URL("../../api/neurorail/v1/", import.meta.url);

/** @param {string} path @returns {string} */
export const address = (path) => new URL(path, ROOT).href;

/**
 * @param {string} path relative to /api/neurorail/v1/
 * @returns {Promise<any>} the answer's JSON; rejects with a sentence when there is none
 */
export async function get(path) {
  const answer = await fetch(address(path), { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(`${path}: the server answered ${answer.status}`);
  return answer.json();
}

/** @param {number} limit */
export const getMissions = (limit) => get(`missions?limit=${limit}`);

/** @param {string} id */
export const getTrace = (id) => get(`identity/trace/mission/${encodeURIComponent(id)}`);

/** @param {string} id @param {number} limit */
export const getMissionEvents = (id, limit) =>
  get(`audit/events?mission_id=${encodeURIComponent(id)}&limit=${limit}`);

export const getSnapshot = () => get("telemetry/snapshot");
