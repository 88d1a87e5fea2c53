// @ts-check

/**
 * A function that does `work` soon: at once after a quiet time, then at most every `everyMs`,
 * never twice at the same time, and once more when it was asked for while it ran.
 * @param {number} everyMs @param {() => Promise<void>} work @returns {() => void}
 */
export function soon(everyMs, work) {
  let last = -Infinity;
  let busy = false;
  let wanted = false;

  async function run() {
    wanted = false;
    last = performance.now();
    try {
      await work();
    } finally {
      busy = false;
      if (wanted) ask();
    }
  }

  function ask() {
    wanted = true;
    if (busy) return;
    busy = true;
    setTimeout(run, Math.max(0, last + everyMs - performance.now()));
  }

  return ask;
}
