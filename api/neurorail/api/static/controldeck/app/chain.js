// @ts-check
/** The chain of the chosen mission as a tree, with the mission's events beneath. */

import { html, useEffect, useRef, useSignal } from "../vendor/ui.js";
import { Id, Marks, State } from "./badge.js";
import { TERMINAL, treeRows } from "./entity.js";
import { clock, count, shortId } from "./format.js";
import { Cost, Elapsed } from "./missions.js";
import { leave, link } from "./route.js";
import { chain, chainProblem, codes, focused, missionEvents, now, selected } from "./store.js";

/** Rows shown; a mission with more entities says so. */
const ROWS_MAX = 400;

export function Chain() {
  const closed = useSignal(/** @type {Set<string>} */ (new Set()));
  const rows = treeRows(chain.value, selected.value, closed.value);
  const mission = rows[0]?.entity;
  return html`
    <section class="panel chain" aria-labelledby="chain-title">
      <div class="panel-head">
        <h2 id="chain-title">Chain</h2>
        <span class="panel-note id">${selected.value}</span>
        ${mission && html`<${State} state=${mission.state} />`}
        <button type="button" onClick=${leave}>Close</button>
      </div>
      <div class="scroll" tabindex="0" role="region" aria-label="Chain of the mission and its events">
        ${chainProblem.value && html`<p class="empty" role="alert">${chainProblem.value}</p>`}
        <${Tree} rows=${rows.slice(0, ROWS_MAX)} closed=${closed} />
        ${rows.length > ROWS_MAX && html`<p class="empty">${count(rows.length - ROWS_MAX)} more entities are not drawn.</p>`}
        <${Events} />
      </div>
    </section>
  `;
}

/** @param {{rows: import("./entity.js").TreeRow[], closed: {value: Set<string>}}} props */
function Tree({ rows, closed }) {
  const at = useSignal("");
  const grid = useRef(/** @type {HTMLElement | null} */ (null));
  const ids = rows.map((row) => row.entity.id);
  const current = ids.includes(at.value) ? at.value : (ids[0] ?? "");

  useEffect(() => {
    if (focused.value === "") return;
    row(focused.value)?.scrollIntoView({ block: "nearest" });
  }, [focused.value, rows.length > 0]);

  /** @param {string} id @returns {HTMLElement | null | undefined} */
  const row = (id) => grid.current?.querySelector(`[data-entity="${CSS.escape(id)}"]`);

  /** @param {string} id */
  function go(id) {
    at.value = id;
    row(id)?.focus();
  }

  /** @param {string} id @param {boolean} close */
  function fold(id, close) {
    const next = new Set(closed.value);
    if (close) next.add(id);
    else next.delete(id);
    closed.value = next;
  }

  /** @param {KeyboardEvent} event */
  function pressed(event) {
    const index = ids.indexOf(current);
    const here = rows[index];
    if (!here) return;
    const open = here.children > 0 && !closed.value.has(current);
    switch (event.key) {
      case "ArrowDown": go(ids[index + 1] ?? current); break;
      case "ArrowUp": go(ids[index - 1] ?? current); break;
      case "Home": go(ids[0] ?? current); break;
      case "End": go(ids.at(-1) ?? current); break;
      case "ArrowRight": if (open) go(ids[index + 1] ?? current); else fold(current, false); break;
      case "ArrowLeft": if (open) fold(current, true); else if (here.parent) go(here.parent); break;
      default: return;
    }
    event.preventDefault();
  }

  const span = bounds(rows);
  return html`
    <div class="tree" role="treegrid" aria-label="Entities" ref=${grid} onKeyDown=${pressed}>
      <div class="tree-row tree-head" role="row">
        <span role="columnheader">Entity</span>
        <span role="columnheader">State</span>
        <span role="columnheader" class="tree-time">Time</span>
        <span role="columnheader" class="number">Duration</span>
        <span role="columnheader" class="number">Tokens</span>
        <span role="columnheader" class="number">Cost</span>
        <span role="columnheader">Flags</span>
      </div>
      ${rows.map((item) => html`
        <${TreeLine} key=${item.entity.id} item=${item} span=${span}
          open=${!closed.value.has(item.entity.id)} tab=${item.entity.id === current}
          onFold=${fold} onGo=${(/** @type {string} */ id) => (at.value = id)} />
      `)}
    </div>
  `;
}

/**
 * @param {{
 *   item: import("./entity.js").TreeRow, span: Span, open: boolean, tab: boolean,
 *   onFold: (id: string, close: boolean) => void, onGo: (id: string) => void
 * }} props
 */
function TreeLine({ item, span, open, tab, onFold, onGo }) {
  const { entity, depth, children } = item;
  const found = codes.value.get(entity.id) ?? [];
  const own = entity.type === "mission" ? [] : found;
  const marks = entity.errorCode && !own.includes(entity.errorCode) ? [entity.errorCode, ...own] : own;
  const tokens = entity.inputTokens + entity.outputTokens;
  return html`
    <div class="tree-row" role="row" data-entity=${entity.id} data-depth=${depth}
      aria-level=${depth + 1} aria-expanded=${children > 0 ? open : undefined}
      aria-current=${entity.id === focused.value ? "true" : undefined}
      tabindex=${tab ? 0 : -1} onFocus=${() => onGo(entity.id)}>
      <span role="gridcell" class="tree-name" style=${{ paddingInlineStart: `${depth * 18}px` }}>
        ${children > 0
          ? html`<button type="button" class="fold" tabindex="-1" aria-label=${open ? "Fold" : "Unfold"}
              data-open=${open} onClick=${() => onFold(entity.id, open)}></button>`
          : html`<span class="leaf" aria-hidden="true"></span>`}
        <span class="kind" data-kind=${entity.type}>${entity.type}</span>
        ${entity.name && html`<span class="tree-label">${entity.name}</span>`}
        <a class="id" tabindex="-1" href=${link(entity.missionId || selected.value, entity.id)} title=${entity.id}>${shortId(entity.id)}</a>
      </span>
      <span role="gridcell"><${State} state=${entity.state} /></span>
      <span role="gridcell" class="tree-time" aria-hidden="true"><${Bar} entity=${entity} span=${span} /></span>
      <span role="gridcell" class="number"><${Elapsed} row=${entity} /></span>
      <span role="gridcell" class="number">${tokens > 0 ? count(tokens) : "–"}</span>
      <span role="gridcell" class="number"><${Cost} row=${entity} /></span>
      <span role="gridcell"><${Marks} codes=${marks} flags=${entity.flags.filter((flag) => flag !== "derived")} /></span>
    </div>
  `;
}

/** @typedef {{from: number, to: number, open: boolean}} Span */

/** The time that the drawn rows cover. @param {import("./entity.js").TreeRow[]} rows @returns {Span} */
function bounds(rows) {
  let from = Infinity;
  let to = -Infinity;
  let open = false;
  for (const { entity } of rows) {
    const start = entity.startedMs ?? entity.createdMs;
    if (start === null) continue;
    from = Math.min(from, start);
    to = Math.max(to, entity.endedMs ?? start);
    open ||= entity.endedMs === null && entity.state === "running";
  }
  return { from, to, open };
}

/** Where in the mission's time the entity ran. @param {{entity: import("./entity.js").Entity, span: Span}} props */
function Bar({ entity, span }) {
  const start = entity.startedMs;
  if (start === null) return null;
  const last = span.open ? Math.max(span.to, now.value) : span.to;
  const whole = Math.max(1, last - span.from);
  const end = entity.endedMs ?? (TERMINAL.has(entity.state) ? start : last);
  const x = ((start - span.from) / whole) * 100;
  const width = Math.max(0.8, ((end - start) / whole) * 100);
  return html`
    <svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" data-state=${entity.state}>
      <rect class="bar-rail" x="0" y="3.5" width="100" height="1" />
      <rect class="bar-run" x=${Math.min(x, 99.2)} y="1" width=${Math.min(width, 100 - Math.min(x, 99.2))} height="6" />
    </svg>
  `;
}

function Events() {
  const list = missionEvents.value;
  if (list.length === 0) return null;
  return html`
    <h3 class="beneath">Events of this mission</h3>
    <ol class="mission-events">
      ${list.map((event) => html`
        <li key=${event.id} data-tone=${event.tone} data-channel=${event.channel}>
          <time dateTime=${new Date(event.atMs).toISOString()}>${clock(event.atMs)}</time>
          <span class="event-type">${event.type}</span>
          <span class="event-text">${event.text}</span>
          <${Id} id=${event.entityId} missionId=${event.missionId} />
        </li>
      `)}
    </ol>
  `;
}
