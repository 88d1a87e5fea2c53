// @ts-check
/** Small marks that several panels share. */

import { html } from "../vendor/ui.js";
import { shortId } from "./format.js";
import { link } from "./route.js";

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

/** @param {{id: string, missionId: string}} props */
export function Id({ id, missionId }) {
  if (id === "") return null;
  if (missionId === "") return html`<span class="id" title=${id}>${shortId(id)}</span>`;
  return html`<a class="id" href=${link(missionId, id)} title=${id}>${shortId(id)}</a>`;
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
  "NR-E301": "NR-E301 illegal transition",
  "NR-E304": "NR-E304 no usable chain",
};
