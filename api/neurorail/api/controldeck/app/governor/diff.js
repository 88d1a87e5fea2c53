// @ts-check
/** Two texts line by line: what went, what came, and a little around it. */

import { html } from "../../vendor/ui.js";

const AROUND = 3;

/** @typedef {{mark: " " | "-" | "+", text: string}} Line */

/** The shortest way from one list of lines to another. @param {string[]} before @param {string[]} after @returns {Line[]} */
export function diffLines(before, after) {
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

/** @param {{before: string[], after: string[]}} props */
export function Diff({ before, after }) {
  const lines = diffLines(before, after);
  const changed = lines.flatMap((line, at) => (line.mark === " " ? [] : [at]));
  if (changed.length === 0) return html`<p class="faint">No difference in what they say.</p>`;
  const near = new Set(changed.flatMap((at) => Array.from({ length: 2 * AROUND + 1 }, (_, step) => at - AROUND + step)));
  return html`
    <ol class="diff" aria-label="Differences">
      ${lines.map((line, at) => (near.has(at)
        ? html`<li key=${at} data-mark=${line.mark}><i aria-label=${line.mark === "-" ? "removed" : line.mark === "+" ? "added" : ""}>${line.mark}</i>${line.text}</li>`
        : near.has(at - 1) ? html`<li key=${at} class="gap">…</li>` : null))}
    </ol>
  `;
}
