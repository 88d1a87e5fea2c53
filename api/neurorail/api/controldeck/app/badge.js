// @ts-check
/** Small marks that several panels share. */

import { html } from "../vendor/ui.js";
import { elapsed, TERMINAL } from "./entity.js";
import { ago, clock, duration, moment, money, shortId } from "./format.js";
import { traceLink } from "./route.js";
import { now } from "./store.js";

/** @param {{state: string}} props */
export function State({ state }) {
  return html`<span class="state" data-state=${state || "unknown"}>${state || "implied"}</span>`;
}

/** Codes of violations and flags of an entity. @param {{codes: string[], flags: string[]}} props */
export function Marks({ codes, flags }) {
  return html`
    <span class="marks">
      ${codes.map((code) => html`
        <span class=${code.startsWith("NR-") ? "code" : "code foreign"} key=${code} title=${MEANING[code] ?? code}>${code}</span>
      `)}
      ${flags.map((flag) => html`<span class="flag" key=${flag} data-flag=${flag}>${flag.replace("_", " ")}</span>`)}
    </span>
  `;
}

/** Says beside a state that there are marks, where these have no room. @param {{codes: string[], flags: string[]}} props */
export function Broke({ codes, flags }) {
  const all = [...codes, ...flags.filter((flag) => flag !== "derived")];
  return all.length > 0 && html`<span class="broke" title=${all.join(", ")}><span aria-hidden="true">!</span><span class="unseen">${all.join(", ")}</span></span>`;
}

/** @param {{id: string, missionId: string, whole?: boolean}} props */
export function Id({ id, missionId, whole = false }) {
  if (id === "") return null;
  const text = whole ? id : shortId(id);
  if (missionId === "") return html`<span class="id" title=${id}>${text}</span>`;
  return html`<a class="id" href=${traceLink(missionId, id)} title=${id}>${text}</a>`;
}

/** How long ago. @param {{at: number | null}} props */
export function Ago({ at }) {
  if (at === null) return html`–`;
  return html`<time dateTime=${new Date(at).toISOString()} title=${moment(at)}>${ago(at, now.value)}</time>`;
}

/** The time of day; on a phone without its milliseconds. @param {{at: number}} props */
export function Clock({ at }) {
  const text = clock(at);
  return html`<time class="event-at" dateTime=${new Date(at).toISOString()}>${text.slice(0, 8)}<span class="roomy">${text.slice(8)}</span></time>`;
}

/** How long it took, or takes. @param {{row: import("./entity.js").Entity}} props */
export function Elapsed({ row }) {
  const running = row.startedMs !== null && row.endedMs === null && !TERMINAL.has(row.state);
  return html`<span>${duration(elapsed(row, running ? now.value : 0))}</span>`;
}

/** @param {{row: import("./entity.js").Entity}} props */
export function Cost({ row }) {
  if (row.costUsd > 0) return html`<span>${money(row.costUsd)}${row.unpriced > 0 ? "+" : ""}</span>`;
  if (row.unpriced > 0) return html`<span class="faint">unpriced</span>`;
  return html`–`;
}

/** @type {Record<string, string>} */
const MEANING = {
  "NR-E001": "NR-E001 execution timeout",
  "NR-E002": "NR-E002 budget exceeded",
  "NR-E003": "NR-E003 max retries exhausted",
  "NR-E004": "NR-E004 upstream service unavailable",
  "NR-E005": "NR-E005 bad response format",
  "NR-E006": "NR-E006 reflex cooldown or open circuit",
  "NR-E007": "NR-E007 orphan: no parent context",
  "NR-E008": "NR-E008 an operator's kill switch",
  "NR-E009": "NR-E009 confirmation required",
  "NR-E010": "NR-E010 over the allowed rate",
  "NR-E011": "NR-E011 the server cannot be asked and the gate fails closed",
  "NR-E110": "NR-E110 manifest invalid",
  "NR-E132": "NR-E132 activation blocked",
  "NR-E301": "NR-E301 illegal transition",
  "NR-E304": "NR-E304 no usable chain",
};
