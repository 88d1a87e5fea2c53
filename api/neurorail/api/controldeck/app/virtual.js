// @ts-check
/** A list of any length of which only the rows in sight exist. */

import { html, useEffect, useRef, useSignal } from "../vendor/ui.js";

const OVERSCAN = 8;
/** Rows before the end at which more are asked for: they are there when a reader arrives. */
const AHEAD = 200;

/**
 * @template T
 * @typedef {{readonly length: number, slice: (from: number, to: number) => readonly (T | undefined)[], at: (index: number) => T | undefined}} Rows
 * an array, or what stands for one: a row is undefined while it is being read
 */

/**
 * Rows of one height below a head that stays. Arrow keys, Page Up and Down, Home and End walk the
 * rows; Enter opens one.
 * @template T
 * @param {{
 *   rows: Rows<T>, rowPx: number, label: string, head?: any, template: string, minWidthPx?: number, middle?: string, middleLeastPx?: number, narrow?: string, narrowLeastPx?: number,
 *   keyOf: (row: T) => string, cells: (row: T) => any, rowProps?: (row: T) => Record<string, any>,
 *   onOpen?: (row: T) => void, onEnd?: () => void, onScrolled?: (topPx: number) => void,
 *   onLook?: (from: number, to: number) => void, goTo?: {index: number} | null,
 *   empty?: any, chosen?: string
 * }} props `onLook` is told the rows in sight; a new `goTo` leads to a row; `head` and `cells` are lists of cells; `template` the columns of both, `middle` those of a list of half a small screen, `narrow` those of a phone, where cells that are `roomy` are left out; `minWidthPx` and its like are what the columns need at the least
 */
export function VirtualList(props) {
  const { rows, rowPx, label, head, template, keyOf, cells, rowProps, onOpen, onEnd, onLook, onScrolled, empty } = props;
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const top = useSignal(0);
  const height = useSignal(600);
  const active = useSignal(0);
  /** The row that is to have the focus as soon as it is there, or -1. */
  const wanted = useRef(-1);
  const from = Math.max(0, Math.floor(top.value / rowPx) - OVERSCAN);
  const to = Math.min(rows.length, Math.ceil((top.value + height.value) / rowPx) + OVERSCAN);

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => (height.value = element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    if (to >= rows.length - AHEAD) onEnd?.();
  }, [to, rows.length]);
  useEffect(() => {
    onLook?.(from, to);
  }, [from, to, rows]);
  useEffect(focusWanted);
  useEffect(() => {
    if (props.goTo) goTo(props.goTo.index, true);
  }, [props.goTo]);

  function scrolled() {
    if (!box.current) return;
    top.value = box.current.scrollTop;
    onScrolled?.(box.current.scrollTop);
  }

  /** @param {number} index @param {boolean} [toTop] whether the row is to be the first in sight */
  function goTo(index, toTop = false) {
    const element = box.current;
    if (!element || rows.length === 0) return;
    const at = Math.min(Math.max(index, 0), rows.length - 1);
    active.value = at;
    const headPx = head ? rowPx : 0;
    if (toTop || at * rowPx < element.scrollTop) element.scrollTop = at * rowPx;
    else if ((at + 1) * rowPx + headPx > element.scrollTop + element.clientHeight) {
      element.scrollTop = (at + 1) * rowPx + headPx - element.clientHeight;
    }
    wanted.current = at;
    requestAnimationFrame(focusWanted);
  }

  /** A row that is still being read is replaced when it comes: the focus goes on to what replaces it. */
  function focusWanted() {
    const element = box.current;
    const focused = document.activeElement;
    if (!element || wanted.current < 0) return;
    if (focused !== document.body && !element.contains(focused)) {
      wanted.current = -1;
      return;
    }
    /** @type {HTMLElement | null} */
    const row = element.querySelector(`[data-index="${wanted.current}"]`);
    row?.focus({ preventScroll: true });
    if (row && row.ariaBusy === null) wanted.current = -1;
  }

  /** @param {KeyboardEvent} event */
  function pressed(event) {
    const page = Math.max(1, Math.floor(height.value / rowPx) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    if (event.key in steps) goTo(active.value + steps[/** @type {keyof typeof steps} */ (event.key)]);
    else if (event.key === "Home") goTo(0);
    else if (event.key === "End") goTo(rows.length - 1);
    else if (event.key === "Enter" && onOpen && event.target instanceof HTMLElement && event.target.dataset.index) {
      const row = rows.at(Number(event.target.dataset.index));
      if (row !== undefined) onOpen(row);
    } else return;
    event.preventDefault();
  }

  /** @param {MouseEvent} event @param {T} row */
  function clicked(event, row) {
    const target = /** @type {Element} */ (event.target);
    if (target.closest("a, button, input, label") || String(getSelection()) !== "") return;
    onOpen?.(row);
  }

  const { minWidthPx = 0, middle = template, middleLeastPx = minWidthPx, narrow = middle, narrowLeastPx = narrow === middle ? middleLeastPx : 0 } = props;
  const columns = {
    "--columns": template, "--columns-middle": middle, "--columns-narrow": narrow,
    "--least": `${minWidthPx}px`, "--least-middle": `${middleLeastPx}px`, "--least-narrow": `${narrowLeastPx}px`,
  };
  return html`
    <div class="scroll list" ref=${box} onScroll=${scrolled} onKeyDown=${pressed}
      role="table" aria-label=${label} aria-rowcount=${rows.length + (head ? 1 : 0)} tabindex="0">
      <div class="list-wide" data-middle=${middle !== template} style=${columns}>
        ${head && html`<div class="list-head" role="row">${head}</div>`}
        <div class="list-body" role="rowgroup" style=${{ height: `${rows.length * rowPx}px` }}>
          ${rows.slice(from, to).map((row, at) => {
            const index = from + at;
            if (row === undefined) return html`<${Waiting} key=${`#${index}`} index=${index} rowPx=${rowPx} head=${head ? 1 : 0} active=${index === active.value} />`;
            return html`
              <div key=${keyOf(row)} class="list-row" role="row" aria-rowindex=${index + 1 + (head ? 1 : 0)}
                data-index=${index} tabindex=${index === active.value ? 0 : -1}
                onFocus=${() => (active.value = index)}
                onClick=${onOpen && ((/** @type {MouseEvent} */ event) => clicked(event, row))}
                aria-current=${props.chosen !== undefined && keyOf(row) === props.chosen ? "true" : undefined}
                ...${rowProps?.(row)}
                style=${{ height: `${rowPx}px`, transform: `translateY(${index * rowPx}px)` }}>
                ${cells(row)}
              </div>`;
          })}
        </div>
      </div>
      ${rows.length === 0 && empty && html`<div role="row"><div role="cell">${empty}</div></div>`}
    </div>
  `;
}

/** Stands where a row will be as soon as it was read. @param {{index: number, rowPx: number, head: number, active: boolean}} props */
const Waiting = ({ index, rowPx, head, active }) =>
  html`<div class="list-row waiting-row" role="row" aria-busy="true" aria-rowindex=${index + 1 + head} data-index=${index} tabindex=${active ? 0 : -1}
    style=${{ height: `${rowPx}px`, transform: `translateY(${index * rowPx}px)` }}><span role="cell"><span class="unseen">Reading…</span></span></div>`;

/** A cell of the head. @param {{children?: any, number?: boolean, roomy?: boolean}} props */
export const Th = ({ children, number = false, roomy = false }) =>
  html`<span role="columnheader" class=${classes({ number, roomy })}>${children}</span>`;

/** A cell of a row. @param {{children?: any, number?: boolean, faint?: boolean, title?: string, clip?: boolean, roomy?: boolean}} props */
export const Td = ({ children, number = false, faint = false, clip = false, roomy = false, title }) =>
  html`<span role="cell" class=${classes({ number, faint, clip, roomy })} title=${title}>${children}</span>`;

/** @param {Record<string, boolean>} on */
const classes = (on) => Object.keys(on).filter((name) => on[name]).join(" ");
