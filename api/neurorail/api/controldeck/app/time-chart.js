// @ts-check
/** A chart over time, drawn by uPlot in the page's own colours. */

import { uPlot } from "../vendor/chart.js";
import { html, useEffect, useRef } from "../vendor/ui.js";
import { scheme, zone } from "./choice.js";
import { clock, moment } from "./format.js";

/**
 * @typedef {{label: string, color: string, fill?: boolean, bars?: boolean, steps?: boolean, dash?: boolean}} Series `color` names a custom property, `steps` holds each value until the next
 * @typedef {[number[], ...(number | null)[][]]} Data Unix seconds, then one list a series
 */

/** A custom property as the browser resolves it; `light-dark()` needs an element. @param {string} name */
function colour(name) {
  const probe = document.createElement("i");
  probe.className = "colour-probe";
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** Between marks of an axis that counts. */
const WHOLE_STEPS = [1, 2, 5].flatMap((step) => [1, 10, 100, 1e3, 1e4, 1e5, 1e6].map((power) => step * power)).sort((a, b) => a - b);

/** @param {HTMLElement} element */
const sizeOf = (element) => ({ width: Math.max(element.clientWidth - 8, 50), height: Math.max(element.clientHeight - 8, 100) });

/** @param {Series} series */
function drawn(series) {
  const stroke = colour(series.color);
  return {
    label: series.label,
    stroke,
    width: 1.75,
    points: { show: false },
    fill: series.fill || series.bars ? stroke.replace("rgb(", "rgba(").replace(")", series.bars ? ", 0.75)" : ", 0.14)") : undefined,
    dash: series.dash ? [6, 5] : undefined,
    paths: series.bars ? uPlot.paths.bars?.({ size: [0.7, 40], radius: 0.15 }) : series.steps ? uPlot.paths.stepped?.({ align: 1 }) : undefined,
  };
}

/** A mark of the time axis, as fine as marks are apart. @param {number} at @param {number} stepS */
function timeMark(at, stepS) {
  if (stepS >= 86_400) return moment(at * 1000).slice(5, 10);
  return clock(at * 1000).slice(0, stepS >= 60 ? 5 : stepS >= 1 ? 8 : 12);
}

/**
 * @param {{data: Data, series: Series[], label: string, value?: (value: number) => string, least?: number, top?: number}} props
 *   fills the height it is given; the axis reaches to `least` at the least, or to `top` always
 */
export function TimeChart({ data, series, label, value, least = 1, top }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const chart = useRef(/** @type {import("../vendor/chart.js").uPlot | null} */ (null));

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const axis = { stroke: colour("faint"), font: '11px "Inter", sans-serif', grid: { stroke: colour("line-soft"), width: 1 }, ticks: { show: false } };
    /** @type {any} */
    const options = {
      ...sizeOf(element),
      tzDate: (/** @type {number} */ at) => (zone.value === "UTC" ? uPlot.tzDate(new Date(at * 1000), "Etc/UTC") : new Date(at * 1000)),
      legend: { show: false },
      cursor: { points: { size: 6 }, y: false },
      scales: { x: { time: true }, y: { range: (/** @type {any} */ _, /** @type {number} */ low, /** @type {number} */ high) => top ? [0, top] : [Math.min(0, low), Math.max(high * 1.1, least)] } },
      axes: [{ ...axis, size: 28, space: 70, values: (/** @type {any} */ _, /** @type {number[]} */ ticks, /** @type {number} */ _axis, /** @type {number} */ _space, /** @type {number} */ stepS) => ticks.map((at) => timeMark(at, stepS)) }, { ...axis, size: value ? 64 : 46, incrs: value ? undefined : WHOLE_STEPS, values: value && ((/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map(value)) }],
      series: [{}, ...series.map(drawn)],
      padding: [10, 12, 0, 0],
    };
    const made = new uPlot(options, data, element);
    chart.current = made;
    const observer = new ResizeObserver(() => made.setSize(sizeOf(element)));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      chart.current = null;
    };
  }, [scheme.value, zone.value, series.map((each) => each.label).join(), top]);

  useEffect(() => chart.current?.setData(data), [data]);

  return html`<div class="time-chart" ref=${box} role="img" aria-label=${label}></div>`;
}

/** What the colours of a chart mean. @param {{series: {label: string, color: string, value?: any}[]}} props */
export function Legend({ series }) {
  return html`
    <ul class="legend">
      ${series.map((each) => html`
        <li key=${each.label}><i style=${{ background: `var(--${each.color})` }}></i>${each.label}${each.value !== undefined && html`<b>${each.value}</b>`}</li>
      `)}
    </ul>
  `;
}
