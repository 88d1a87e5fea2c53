// @ts-check
/** The chain as a tree, each entity with its time on one axis. Only rows in sight exist. */

import { html, useEffect, useRef, useSignal } from "../../vendor/ui.js";
import { Broke, Cost, Elapsed, Marks, State } from "../badge.js";
import { TERMINAL, treeRows } from "../entity.js";
import { count, duration, shortId } from "../format.js";
import { codes, now } from "../store.js";

/** @typedef {import("../entity.js").Entity} Entity */

const ROW_PX = 30;
const OVERSCAN = 10;
const TICKS = 3;

/**
 * @param {{
 *   entities: Entity[], root: string, focus: string, onFocus: (id: string) => void, label?: string,
 *   axis?: Span | null
 * }} props `axis`: a time span of another mission to draw on
 */
export function Waterfall({ entities, root, focus, onFocus, label = "Entities", axis = null }) {
  const closed = useSignal(/** @type {Set<string>} */ (new Set()));
  const top = useSignal(0);
  const height = useSignal(600);
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const rows = treeRows(entities, root, closed.value);
  const ids = rows.map((row) => row.entity.id);
  const current = ids.includes(focus) ? focus : (ids[0] ?? "");
  const span = axis ?? bounds(rows);
  const from = Math.max(0, Math.floor(top.value / ROW_PX) - OVERSCAN);
  const to = Math.min(rows.length, Math.ceil((top.value + height.value) / ROW_PX) + OVERSCAN);

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => (height.value = element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    reveal(ids.indexOf(focus));
  }, [focus, rows.length > 0]);

  /** @param {number} at */
  function reveal(at) {
    const element = box.current;
    if (!element || at < 0) return;
    if (at * ROW_PX < element.scrollTop) element.scrollTop = at * ROW_PX;
    else if ((at + 2) * ROW_PX > element.scrollTop + element.clientHeight) element.scrollTop = (at + 2) * ROW_PX - element.clientHeight;
  }

  /** @param {string | undefined} id */
  function goTo(id) {
    if (id === undefined) return;
    reveal(ids.indexOf(id));
    onFocus(id);
    requestAnimationFrame(() => {
      /** @type {HTMLElement | null | undefined} */ (box.current?.querySelector(`[data-entity="${CSS.escape(id)}"]`))?.focus({ preventScroll: true });
    });
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
      case "ArrowDown": goTo(ids[index + 1]); break;
      case "ArrowUp": goTo(ids[index - 1]); break;
      case "Home": goTo(ids[0]); break;
      case "End": goTo(ids.at(-1)); break;
      case "ArrowRight": if (open) goTo(ids[index + 1]); else fold(current, false); break;
      case "ArrowLeft": if (open) fold(current, true); else if (here.parent) goTo(here.parent); break;
      default: return;
    }
    event.preventDefault();
  }

  return html`
    <div class="scroll tree-box" ref=${box} onScroll=${() => box.current && (top.value = box.current.scrollTop)}>
      <div class="tree" role="treegrid" aria-label=${label} aria-rowcount=${rows.length + 1} onKeyDown=${pressed}>
        <div class="tree-row tree-head" role="row">
          <span role="columnheader">Entity</span>
          <span role="columnheader">State</span>
          <span role="columnheader" class="tree-time"><${Axis} span=${span} /></span>
          <span role="columnheader" class="number">Duration</span>
          <span role="columnheader" class="number roomy">Tokens</span>
          <span role="columnheader" class="number roomy">Cost</span>
          <span role="columnheader" class="roomy">Flags</span>
        </div>
        <div class="tree-body" role="rowgroup" style=${{ height: `${rows.length * ROW_PX}px` }}>
          ${rows.slice(from, to).map((item, at) => html`
            <${Line} key=${item.entity.id} item=${item} span=${span} index=${from + at}
              open=${!closed.value.has(item.entity.id)} tab=${item.entity.id === current} chosen=${item.entity.id === focus}
              onFold=${fold} onFocus=${onFocus} />
          `)}
        </div>
      </div>
    </div>
  `;
}

/**
 * @param {{
 *   item: import("../entity.js").TreeRow, span: Span, index: number, open: boolean, tab: boolean, chosen: boolean,
 *   onFold: (id: string, close: boolean) => void, onFocus: (id: string) => void
 * }} props
 */
function Line({ item, span, index, open, tab, chosen, onFold, onFocus }) {
  const { entity, depth, children } = item;
  const found = codes.value.get(entity.id) ?? [];
  const own = entity.type === "mission" ? [] : found;
  const marks = entity.errorCode && !own.includes(entity.errorCode) ? [entity.errorCode, ...own] : own;
  const tokens = entity.inputTokens + entity.outputTokens;
  return html`
    <div class="tree-row" role="row" data-entity=${entity.id} data-depth=${depth} aria-rowindex=${index + 2}
      aria-level=${depth + 1} aria-expanded=${children > 0 ? open : undefined}
      aria-current=${chosen ? "true" : undefined} style=${{ transform: `translateY(${index * ROW_PX}px)` }}
      tabindex=${tab ? 0 : -1} onClick=${(/** @type {MouseEvent} */ event) => {
        if (!(/** @type {Element} */ (event.target).closest("button"))) onFocus(entity.id);
      }}>
      <span role="gridcell" class="tree-name" style=${{ paddingInlineStart: `${depth * 12}px` }}>
        ${children > 0
          ? html`<button type="button" class="fold" tabindex="-1" aria-label=${open ? "Fold" : "Unfold"}
              data-open=${open} onClick=${() => onFold(entity.id, open)}></button>`
          : html`<span class="leaf" aria-hidden="true"></span>`}
        <span class="kind" data-kind=${entity.type}>${entity.type}</span>
        ${entity.name && html`<span class="tree-label" title=${entity.name}>${entity.name}</span>`}
        <span class="id" title=${entity.id}>${shortId(entity.id)}</span>
      </span>
      <span role="gridcell"><${State} state=${entity.state} /><${Broke} codes=${marks} flags=${entity.flags} /></span>
      <span role="gridcell" class="tree-time" aria-hidden="true"><${Bar} entity=${entity} span=${span} /></span>
      <span role="gridcell" class="number"><${Elapsed} row=${entity} /></span>
      <span role="gridcell" class="number roomy">${tokens > 0 ? count(tokens) : "–"}</span>
      <span role="gridcell" class="number roomy"><${Cost} row=${entity} /></span>
      <span role="gridcell" class="roomy"><${Marks} codes=${marks} flags=${entity.flags.filter((flag) => flag !== "derived")} /></span>
    </div>
  `;
}

/** @typedef {{from: number, to: number, open: boolean}} Span */

/** The time that entities cover. @param {{entity: Entity}[]} rows @returns {Span} */
export function bounds(rows) {
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

/** @param {Span} span */
const lastOf = (span) => (span.open ? Math.max(span.to, now.value) : span.to);

/** Time since the mission began, at equal steps. @param {{span: Span}} props */
function Axis({ span }) {
  const whole = lastOf(span) - span.from;
  if (!Number.isFinite(whole)) return html`Time`;
  return html`
    <span class="axis">
      ${Array.from({ length: TICKS }, (_, at) => html`<i key=${at}>${at === 0 ? "0" : duration((whole * at) / TICKS)}</i>`)}
    </span>
  `;
}

/** Where in the mission's time the entity ran. @param {{entity: Entity, span: Span}} props */
function Bar({ entity, span }) {
  const start = entity.startedMs;
  if (start === null) return null;
  const last = lastOf(span);
  const whole = Math.max(1, last - span.from);
  const end = entity.endedMs ?? (TERMINAL.has(entity.state) ? start : last);
  const x = ((start - span.from) / whole) * 100;
  const width = Math.max(0.6, ((end - start) / whole) * 100);
  return html`
    <svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" data-state=${entity.state} data-kind=${entity.type}>
      <path class="bar-grid" d="M33.300 0v10M66.700 0v10" />
      <rect class="bar-run" x=${Math.min(x, 99.4)} y="1" width=${Math.min(width, 100 - Math.min(x, 99.4))} height="8" />
    </svg>
  `;
}
