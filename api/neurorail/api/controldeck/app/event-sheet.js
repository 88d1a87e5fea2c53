// @ts-check
/** One event in full: what was decided, on what evidence, and where it belongs. */

import { html, signal, useSignal } from "../vendor/ui.js";
import { Id } from "./badge.js";
import { LEVELS } from "./entity.js";
import { clock, moment } from "./format.js";
import { link, traceLink } from "./route.js";
import { may } from "./session.js";
import { Sheet } from "./sheet.js";

/** The event that is open, or null. */
export const openEvent = signal(/** @type {import("./events.js").StreamEvent | null} */ (null));

const close = () => {
  openEvent.value = null;
};

export function EventSheet() {
  const event = openEvent.value;
  return html`
    <${Sheet} open=${event !== null} title=${event?.type ?? ""} onClose=${close}>
      ${event && html`<${Body} event=${event} />`}
    <//>
  `;
}

const CHAIN = LEVELS.map((level) => `${level}_id`);

/** @param {{event: import("./events.js").StreamEvent}} props */
function Body({ event }) {
  const chain = CHAIN.filter((name) => event.data[name]);
  const evidence = Object.entries(event.data).filter(([name, value]) => !CHAIN.includes(name) && value !== null && value !== "");
  return html`
    <div class="event-full" data-tone=${event.tone}>
      <p class="event-says">${event.text || "No further details."}</p>
      <dl class="facts">
        <div><dt>Received</dt><dd>${moment(event.atMs)}<span class="faint">${clock(event.atMs).slice(8)}</span></dd></div>
        <div><dt>Channel</dt><dd><span class="channel" data-channel=${event.channel}>${event.channel}</span></dd></div>
        <div><dt>Event id</dt><dd class="id">${event.id}</dd></div>
        ${chain.map((name) => html`
          <div key=${name}><dt>${name.replace("_id", "")}</dt><dd><${Id} id=${event.data[name]} missionId=${event.missionId} whole /></dd></div>
        `)}
      </dl>
      ${event.missionId && html`
        <p class="sheet-actions">
          <a class="button" href=${traceLink(event.missionId, event.entityId)} onClick=${close}>Open its trace</a>
          <a class="button" href=${link("", { id: event.entityId })} onClick=${close}>Its events, live</a>
        </p>`}
      <h3>Evidence</h3>
      <${Values} entries=${evidence} />
      ${may("read:audit") && event.id !== "" && html`<h3>Proof</h3><${ProveIt} event=${event} key=${event.id} />`}
    </div>
  `;
}

/** Its modules come when somebody wants a proof. @param {{event: import("./events.js").StreamEvent}} props */
function ProveIt({ event }) {
  const drawn = useSignal(/** @type {{view: any} | null} */ (null));
  const prove = () => import("./audit/proof.js").then((module) => (drawn.value = { view: module.Proof }));
  if (drawn.value) return html`<${drawn.value.view} event=${event} />`;
  return html`<p class="sheet-actions"><button type="button" onClick=${prove}>Prove that it is in the trail</button></p>`;
}

/** Names and values as they came, nested ones as JSON. @param {{entries: [string, unknown][]}} props */
export function Values({ entries }) {
  if (entries.length === 0) return html`<p class="faint">None.</p>`;
  return html`
    <dl class="values">
      ${entries.map(([name, value]) => html`
        <div key=${name}><dt>${name}</dt><dd>${typeof value === "object" ? JSON.stringify(value, null, 1) : String(value)}</dd></div>
      `)}
    </dl>
  `;
}
