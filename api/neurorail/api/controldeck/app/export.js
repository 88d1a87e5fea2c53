// @ts-check
/** Takes a list along as CSV or JSON: what the list shows, in the order it shows it. */

import { html, useSignal } from "../vendor/ui.js";
import { notice } from "./store.js";

/**
 * @template T
 * @typedef {Record<string, (row: T) => unknown>} Columns name of a column → its value
 */

/** @template T @param {readonly T[]} rows @param {Columns<T>} columns */
function toCsv(rows, columns) {
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
function toJson(rows, columns) {
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

/**
 * Pages of rows as parts of one file, so that the text of a long list is never one string.
 * @template T @param {AsyncIterable<T[]> | Iterable<readonly T[]>} pages @param {Columns<T>} columns @param {"csv" | "json"} form
 */
async function fileOf(pages, columns, form) {
  /** @type {string[]} */
  const parts = [];
  for await (const page of pages) {
    const text = form === "csv" ? toCsv(page, columns) : toJson(page, columns).trim().slice(1, -1);
    // Of further pages what follows the line of names; of JSON what is between the brackets.
    if (form === "csv") parts.push(parts.length === 0 ? text : text.slice(text.indexOf("\r\n") + 2));
    else if (text.trim() !== "") parts.push(parts.length === 0 ? text.trimEnd() : `,${text.trimEnd()}`);
  }
  return new Blob(form === "csv" ? parts : ["[", ...parts, "\n]\n"]);
}

/**
 * `rows` is what the list shows, or stands for more: then `all` reads it, page by page.
 * @template T @param {{name: string, rows: {readonly length: number, all?: () => AsyncIterable<T[]>} | readonly T[], columns: Columns<T>}} props
 */
export function Export({ name, rows, columns }) {
  const busy = useSignal("");
  const file = `neurorail-${name}-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}`;

  /** @param {"csv" | "json"} form @param {string} type */
  async function take(form, type) {
    if (Array.isArray(rows)) return save(`${file}.${form}`, type, form === "csv" ? toCsv(rows, columns) : toJson(rows, columns));
    const { all } = /** @type {{all: () => AsyncIterable<T[]>}} */ (rows);
    busy.value = form;
    try {
      save(`${file}.${form}`, type, await fileOf(all.call(rows), columns, form));
    } catch (failed) {
      notice.value = `The export did not come: ${failed instanceof Error ? failed.message : String(failed)}`;
    }
    busy.value = "";
  }

  const off = rows.length === 0 || busy.value !== "";
  return html`
    <span class="export" role="group" aria-label="Export ${name}" aria-busy=${busy.value !== ""}>
      <button type="button" disabled=${off} onClick=${() => take("csv", "text/csv")}>${busy.value === "csv" ? "…" : "CSV"}</button>
      <button type="button" disabled=${off} onClick=${() => take("json", "application/json")}>${busy.value === "json" ? "…" : "JSON"}</button>
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
