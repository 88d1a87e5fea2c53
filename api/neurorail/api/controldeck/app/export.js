// @ts-check
/** Takes a list along as CSV or JSON: what the list shows, in the order it shows it. */

import { html } from "../vendor/ui.js";

/**
 * @template T
 * @typedef {Record<string, (row: T) => unknown>} Columns name of a column → its value
 */

/** @template T @param {readonly T[]} rows @param {Columns<T>} columns */
export function toCsv(rows, columns) {
  const names = Object.keys(columns);
  const lines = rows.map((row) => names.map((name) => cell(columns[name]?.(row))).join(","));
  return [names.map(cell).join(","), ...lines].join("\r\n") + "\r\n";
}

/** @param {unknown} value */
function cell(value) {
  if (value === null || value === undefined) return "";
  let text = typeof value === "object" ? JSON.stringify(value) : String(value);
  // A spreadsheet would run text that begins like a formula.
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** @template T @param {readonly T[]} rows @param {Columns<T>} columns */
export function toJson(rows, columns) {
  const named = rows.map((row) => Object.fromEntries(Object.entries(columns).map(([name, of]) => [name, of(row) ?? null])));
  return `${JSON.stringify(named, null, 1)}\n`;
}

/** @param {string} name @param {string} type @param {BlobPart} text */
export function save(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** @template T @param {{name: string, rows: readonly T[], columns: Columns<T>}} props */
export function Export({ name, rows, columns }) {
  const file = `neurorail-${name}-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}`;
  return html`
    <span class="export" role="group" aria-label="Export ${name}">
      <button type="button" disabled=${rows.length === 0} onClick=${() => save(`${file}.csv`, "text/csv", toCsv(rows, columns))}>CSV</button>
      <button type="button" disabled=${rows.length === 0} onClick=${() => save(`${file}.json`, "application/json", toJson(rows, columns))}>JSON</button>
    </span>
  `;
}

/** @type {Columns<import("./events.js").StreamEvent>} */
export const EVENT_COLUMNS = {
  id: (event) => event.id,
  received_at: (event) => new Date(event.atMs).toISOString(),
  channel: (event) => event.channel,
  event_type: (event) => event.type,
  mission_id: (event) => event.missionId,
  entity_id: (event) => event.entityId,
  text: (event) => event.text,
  data: (event) => event.data,
};

/** @type {Columns<import("./entity.js").Entity>} */
export const ENTITY_COLUMNS = {
  entity_id: (row) => row.id,
  entity_type: (row) => row.type,
  parent_id: (row) => row.parentId,
  mission_id: (row) => row.missionId,
  state: (row) => row.state,
  name: (row) => row.name,
  agent: (row) => row.agent,
  service: (row) => row.service,
  model: (row) => row.model,
  created_at: (row) => iso(row.createdMs),
  started_at: (row) => iso(row.startedMs),
  ended_at: (row) => iso(row.endedMs),
  input_tokens: (row) => row.inputTokens,
  output_tokens: (row) => row.outputTokens,
  cost_usd: (row) => row.costUsd,
  retries: (row) => row.retries,
  error_code: (row) => row.errorCode,
  flags: (row) => row.flags.join(" "),
  tags: (row) => row.tags,
};

/** @param {number | null} ms */
const iso = (ms) => (ms === null ? null : new Date(ms).toISOString());
