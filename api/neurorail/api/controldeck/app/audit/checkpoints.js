// @ts-check
/** What was signed of the chain, and where copies of it are. */

import { html, useEffect, useMemo, signal } from "../../vendor/ui.js";
import { get } from "../api.js";
import { time } from "../entity.js";
import { Export } from "../export.js";
import { count, moment, shortId } from "../format.js";
import { inTurn } from "../in-turn.js";
import { Nothing, Panel } from "../panel.js";
import { follow } from "../store.js";
import { Td, Th, VirtualList } from "../virtual.js";

const PAGE = 500;
const SIGNS = new Set(["audit_checkpoint", "audit_key_rotated", "audit_retained"]);

/** @type {import("../export.js").Columns<any>} */
const COLUMNS = Object.fromEntries(
  ["place", "kind", "node", "time", "first", "last", "count", "total", "head", "root", "key_id", "public_key", "new_public_key", "signature", "signature_valid"]
    .map((name) => [name, (/** @type {any} */ row) => row[name]]),
);

/** Statements as far as they were read, newest first. */
class Statements {
  constructor() {
    this.rows = signal(/** @type {any[] | null} */ (null));
    this.about = signal(/** @type {any} */ ({ total: 0, checkpoints: 0, anchored: [], faults: [] }));
    this.problem = signal("");
    this.before = /** @type {number | null} */ (null);
    this.read = inTurn((newest) => this.fetch(newest));
  }

  /** @param {boolean} newest read from the newest on, or further back */
  async fetch(newest) {
    if (!newest && this.before === null) return;
    try {
      const answer = await get(`audit/checkpoints?limit=${PAGE}${newest ? "" : `&before=${this.before}`}`);
      const known = newest ? (this.rows.value ?? []).filter((row) => row.place < (answer.statements.at(-1)?.place ?? 0)) : (this.rows.value ?? []);
      this.rows.value = newest ? [...answer.statements, ...known] : [...known, ...answer.statements];
      if (!newest || known.length === 0) this.before = answer.next_before;
      if (newest) this.about.value = answer;
      this.problem.value = "";
    } catch (failed) {
      this.problem.value = failed instanceof Error ? failed.message : String(failed);
    }
  }
}

export function Checkpoints() {
  const statements = useMemo(() => new Statements(), []);
  useEffect(() => {
    void statements.read(true);
    return follow((fresh) => {
      if (fresh.some((event) => SIGNS.has(event.type))) void statements.read(true);
    });
  }, []);
  const rows = statements.rows.value ?? [];
  const { anchored, faults, checkpoints } = statements.about.value;
  return html`
    <${Panel} name="checkpoints" title="Checkpoints" class="whole" note=${`${count(checkpoints)} signed`}
      tools=${html`<${Export} name="checkpoints" rows=${rows} columns=${COLUMNS} />`}>
      <div class="strip" data-anchors=${anchored.length}>
        <span>Kept outside the database: ${anchored.map((/** @type {any} */ each, /** @type {number} */ at) => html`${at > 0 ? " · " : ""}<b key=${each.kind + each.name}>${each.name}</b> <span class="faint">${each.note}</span>`)}</span>
      </div>
      ${faults.length > 0 && html`<ul class="nodes" role="alert" data-faults=${faults.length}>${faults.map((/** @type {string} */ fault) => html`<li key=${fault} class="bad">${fault}</li>`)}</ul>`}
      <${VirtualList} rows=${rows} rowPx=${34} label="Signed statements, newest first" minWidthPx=${880}
        template="150px 92px minmax(130px, 1fr) 84px 92px minmax(130px, 1fr) minmax(130px, 1fr) 84px"
        head=${html`<${Th}>Signed<//><${Th}>What<//><${Th}>Up to event<//><${Th} number>Covers<//><${Th} number>Events<//><${Th}>Head<//><${Th}>Key<//><${Th}>Signature<//>`}
        keyOf=${(/** @type {any} */ row) => String(row.place)} onEnd=${() => statements.read(false)}
        rowProps=${(/** @type {any} */ row) => ({ "data-statement": row.kind, "data-valid": String(row.signature_valid) })}
        cells=${(/** @type {any} */ row) => html`
          <${Td} faint><time class="event-at" dateTime=${row.time}>${moment(time(row.time) ?? 0)}</time><//>
          <${Td}>${row.kind.replace("rotation", "new key")}<//>
          <${Td} clip title=${row.last}><span class="id">${row.last ?? "–"}</span><//>
          <${Td} number>${row.count === undefined ? "–" : count(row.count)}<//>
          <${Td} number>${row.total === undefined ? "–" : count(row.total)}<//>
          <${Td} clip title=${row.head ?? row.new_public_key}><span class="id">${row.head ? shortId(row.head) : `→ ${row.new_key_id}`}</span><//>
          <${Td} clip title=${row.public_key}><span class="id">${row.key_id}</span><//>
          <${Td}>${row.signature_valid ? html`<span class="good">valid</span>` : html`<strong class="bad">wrong</strong>`}<//>`}
        empty=${html`<${Nothing} loading=${statements.rows.value === null && statements.problem.value === ""} problem=${statements.problem.value} onRetry=${() => statements.read(true)}>
          <p><strong>Nothing is signed yet.</strong></p><p>The server signs every five minutes where the chain stands, unless <code>audit.checkpoint_interval_s</code> says otherwise.</p><//>`} />
    <//>
  `;
}
