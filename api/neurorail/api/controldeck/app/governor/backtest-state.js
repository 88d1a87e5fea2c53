// @ts-check
/** How a backtest stands. */

import { html } from "../../vendor/ui.js";
import { time } from "../entity.js";
import { moment, percent } from "../format.js";

/** @param {any} row */
export const isOpen = (row) => row.state === "queued" || row.state === "running";

/** How far it is, or how it ended. @param {{row: any}} props */
export function Progress({ row }) {
  const { done, total } = row.progress;
  if (row.state !== "running") return html`<span class="state" data-state=${row.state}>${row.state}</span>`;
  return html`<progress max=${total || 1} value=${done} aria-label="Records looked at"></progress> ${total > 0 ? percent(done / total) : "begins"}`;
}

/** @param {any} row */
export function span(row) {
  const since = time(row.since);
  return `${since === null ? "from the first" : moment(since)} to ${moment(time(row.until) ?? 0)}`;
}
