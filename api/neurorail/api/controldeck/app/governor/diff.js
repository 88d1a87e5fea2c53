// @ts-check
/** Two texts line by line: what went, what came, and a little around it. */

import { html } from "../../vendor/ui.js";

const AROUND = 3;

/** @typedef {{mark: " " | "-" | "+", text: string}} Line */

/** The shortest way from one list of lines to another. @param {string[]} before @param {string[]} after @returns {Line[]} */
function diffLines(before, after) {
  const width = after.length + 1;
  // lengths[i * width + j]: lines that are common from i and j on.
  const lengths = new Uint32Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = before[i] === after[j]
        ? (lengths[(i + 1) * width + j + 1] ?? 0) + 1
        : Math.max(lengths[(i + 1) * width + j] ?? 0, lengths[i * width + j + 1] ?? 0);
    }
  }
  /** @type {Line[]} */
  const lines = [];
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push({ mark: " ", text: before[i] ?? "" });
      i += 1;
      j += 1;
    } else if (j >= after.length || (i < before.length && (lengths[(i + 1) * width + j] ?? 0) >= (lengths[i * width + j + 1] ?? 0))) {
      lines.push({ mark: "-", text: before[i] ?? "" });
      i += 1;
    } else {
      lines.push({ mark: "+", text: after[j] ?? "" });
      j += 1;
    }
  }
  return lines;
}

/** @typedef {{mark: " " | "-" | "+" | "~", left: string | null, right: string | null}} Pair */

/** Lines beside each other: what went beside what came in its place. @param {Line[]} lines @returns {Pair[]} */
function paired(lines) {
  /** @type {Pair[]} */
  const pairs = [];
  /** @type {string[]} */
  let gone = [];
  /** @type {string[]} */
  let come = [];
  function settle() {
    for (let at = 0; at < Math.max(gone.length, come.length); at += 1) {
      const left = gone[at] ?? null;
      const right = come[at] ?? null;
      pairs.push({ mark: left === null ? "+" : right === null ? "-" : "~", left, right });
    }
    gone = [];
    come = [];
  }
  for (const { mark, text } of lines) {
    if (mark === "-") gone.push(text);
    else if (mark === "+") come.push(text);
    else {
      settle();
      pairs.push({ mark: " ", left: text, right: text });
    }
  }
  settle();
  return pairs;
}

/** @param {{before: string[], after: string[], names: [string, string]}} props */
export function Diff({ before, after, names }) {
  const pairs = paired(diffLines(before, after));
  const changed = pairs.flatMap(({ mark }, at) => (mark === " " ? [] : [at]));
  if (changed.length === 0) return html`<p class="faint">No difference in what they say.</p>`;
  const near = new Set(changed.flatMap((at) => Array.from({ length: 2 * AROUND + 1 }, (_, step) => at - AROUND + step)));
  return html`
    <p class="diff-names"><b>${names[0]}</b><b>${names[1]}</b></p>
    <ol class="diff" aria-label="Differences">
      ${pairs.map(({ mark, left, right }, at) => (near.has(at)
        ? html`<li key=${at} data-mark=${mark}>
            <span data-side=${left === null ? "none" : mark === " " ? "same" : "gone"}>${left !== null && mark !== " " && html`<i class="unseen">removed </i>`}${left}</span>
            <span data-side=${right === null ? "none" : mark === " " ? "same" : "come"}>${right !== null && mark !== " " && html`<i class="unseen">added </i>`}${right}</span></li>`
        : near.has(at - 1) ? html`<li key=${at} class="gap">…</li>` : null))}
    </ol>
  `;
}
