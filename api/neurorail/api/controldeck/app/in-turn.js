// @ts-check

/**
 * Reads a list from both its ends, never twice at the same time: what is asked for meanwhile follows, the newest first.
 * @param {(newest: boolean) => Promise<void>} work reads the newest, or what is further back; does not fail
 * @returns {(newest: boolean) => Promise<void>}
 */
export function inTurn(work) {
  let busy = false;
  /** @type {Set<boolean>} */
  const asked = new Set();

  return async function read(newest) {
    if (busy) {
      asked.add(newest);
      return;
    }
    busy = true;
    await work(newest);
    busy = false;
    for (const next of [true, false]) if (asked.delete(next)) await read(next);
  };
}
