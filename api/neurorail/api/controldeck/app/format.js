// @ts-check
/** How numbers, times and ids are written on the page. */

import { zone } from "./choice.js";

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const COMPACT = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

/** @param {number} value */
export const whole = (value) => WHOLE.format(value);

/** Whole up to 99,999, then 123.4K. @param {number} value */
export const count = (value) => (value < 100_000 ? WHOLE.format(value) : COMPACT.format(value));

/** Whole up to 9,999, then 12.3K. @param {number} value */
export const brief = (value) => (value < 10_000 ? WHOLE.format(value) : COMPACT.format(value));

/** How many a second; few of them with a decimal. @param {number} value */
export const perSecond = (value) => (value > 0 && value < 10 ? value.toFixed(1) : brief(value));

/** US dollars; small amounts keep enough places to differ from zero. @param {number} usd */
export function money(usd) {
  if (usd === 0) return "$0.00";
  const size = Math.abs(usd);
  if (size >= 1000) return `$${WHOLE.format(usd)}`;
  if (size >= 1) return `$${usd.toFixed(2)}`;
  if (size >= 0.001) return `$${usd.toFixed(4)}`;
  if (size >= 0.000001) return `$${usd.toFixed(6)}`;
  return "<$0.000001";
}

/** As money, and what is smaller than a column has room for with all its places. @param {number} usd */
export const exactMoney = (usd) => (usd > 0 && usd < 0.000001 ? `$${usd.toFixed(12).replace(/0+$/, "")}` : money(usd));

/** A length of time in milliseconds. @param {number | null} ms */
export function duration(ms) {
  if (ms === null || !Number.isFinite(ms)) return "–";
  if (ms < 0) ms = 0;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${pad(seconds % 60)}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)}h ${pad(minutes % 60)}m`;
  return `${Math.floor(minutes / 1440)}d ${Math.floor((minutes % 1440) / 60)}h`;
}

/** How long ago, short. @param {number} atMs @param {number} nowMs */
export function ago(atMs, nowMs) {
  const seconds = Math.floor((nowMs - atMs) / 1000);
  if (seconds < 1) return "now";
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** Wall clock in the chosen time zone, 14:03:22.481. @param {number} atMs */
export function clock(atMs) {
  const at = new Date(atMs);
  const parts = zone.value === "UTC"
    ? [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()]
    : [at.getHours(), at.getMinutes(), at.getSeconds()];
  return `${parts.map(pad).join(":")}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** Day and wall clock in the chosen time zone, 2026-11-26 14:03:22. @param {number} atMs */
export function moment(atMs) {
  const at = new Date(atMs);
  const day = zone.value === "UTC"
    ? [at.getUTCFullYear(), at.getUTCMonth() + 1, at.getUTCDate()]
    : [at.getFullYear(), at.getMonth() + 1, at.getDate()];
  return `${day.map(pad).join("-")} ${clock(atMs).slice(0, 8)}`;
}

/** A share of 1 as a percentage. @param {number} share */
export function percent(share) {
  if (share > 0 && share < 0.001) return "<0.1%";
  return `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)}%`;
}

/** An id short enough for a column; its end tells ids of one moment apart. @param {string} id */
export function shortId(id) {
  return id.length <= 18 ? id : `${id.slice(0, 6)}…${id.slice(-6)}`;
}

/** @param {number} value */
const pad = (value) => String(value).padStart(2, "0");
