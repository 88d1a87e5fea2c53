// @ts-check
/** The entity in focus: facts, transitions, events, raw spans. */

import { html } from "../../vendor/ui.js";
import { Cost, Elapsed, Id, Marks, State } from "../badge.js";
import { openEvent, Values } from "../event-sheet.js";
import { concerns } from "../events.js";
import { EVENT_COLUMNS, Export } from "../export.js";
import { ChangeBudget, ChangeSheet } from "../budget/change-form.js";
import { clock, count, duration, moment } from "../format.js";
import { EmptyLog, Tabs } from "../panel.js";
import { inAddress } from "../route.js";
import { codes } from "../store.js";
import { VirtualList } from "../virtual.js";
import { BudgetUse } from "./budget-use.js";
import { Spans } from "./spans.js";
import { Transitions } from "./transitions.js";

/** @typedef {import("../entity.js").Entity} Entity */

const tab = inAddress("tab", ["facts", "transitions", "events", "spans"]);

/** @param {{entity: Entity, missionId: string, log: import("../event-log.js").EventLog}} props */
export function Inspector({ entity, missionId, log }) {
  const own = entity.id === missionId ? log.rows.value : log.rows.value.filter((event) => concerns(event, entity.id));
  return html`
    <section class="panel inspector" data-panel="inspector" aria-label=${`${entity.type} ${entity.id}`}>
      <div class="panel-head tabs-head">
        <${Tabs} label="What is shown of the entity" chosen=${tab.value} onChoose=${(/** @type {any} */ name) => (tab.value = name)}
          tabs=${[["facts", "Facts"], ["transitions", "Transitions"], ["events", "Events", count(own.length)], ["spans", "Spans"]]} />
        ${tab.value === "events" && html`<${Export} name="mission-events" rows=${own} columns=${EVENT_COLUMNS} />`}
      </div>
      ${tab.value === "facts" && html`<${Facts} entity=${entity} missionId=${missionId} />`}
      ${tab.value === "transitions" && html`<${Transitions} key=${entity.id} entity=${entity} />`}
      ${tab.value === "events" && html`<${Events} rows=${own} log=${log} />`}
      <${ChangeSheet} />
      ${tab.value === "spans" && html`<${Spans} key=${missionId} missionId=${missionId} entity=${entity} />`}
    </section>
  `;
}

/** @param {{entity: Entity, missionId: string}} props */
function Facts({ entity, missionId }) {
  const marks = [...new Set([entity.errorCode, ...(codes.value.get(entity.id) ?? [])])].filter(Boolean);
  const tags = Object.entries(entity.tags);
  const metadata = Object.entries(entity.metadata);
  return html`
    <div class="scroll facts-page" tabindex="0" role="region" aria-label="Facts">
      <dl class="facts">
        <div><dt>${entity.type}</dt><dd><${Id} id=${entity.id} missionId=${missionId} whole /></dd></div>
        <div><dt>State</dt><dd><${State} state=${entity.state} /> <${Marks} codes=${marks} flags=${entity.flags} /></dd></div>
        <${Fact} name="Agent" value=${entity.agent} />
        <${Fact} name="Service" value=${entity.service} />
        <${Fact} name="Job type" value=${entity.jobType} />
        <${Fact} name="Model" value=${[entity.provider, entity.model].filter(Boolean).join(" / ")} />
        <${Fact} name="Tool" value=${entity.tool} />
        <${Fact} name="Created" value=${entity.createdMs === null ? "" : moment(entity.createdMs)} />
        <${Fact} name="Started" value=${entity.startedMs === null ? "" : moment(entity.startedMs)} />
        <${Fact} name="Ended" value=${entity.endedMs === null ? "" : moment(entity.endedMs)} />
        <div><dt>Duration</dt><dd><${Elapsed} row=${entity} /></dd></div>
        <${Fact} name="First signal" value=${entity.firstSignalMs === null ? "" : `after ${duration(entity.firstSignalMs)}`} />
        <div><dt>Tokens</dt><dd>${count(entity.inputTokens)} in, ${count(entity.outputTokens)} out</dd></div>
        <div><dt>Cost</dt><dd><${Cost} row=${entity} /></dd></div>
        <div><dt>Calls</dt><dd>${count(entity.modelCalls)} model, ${count(entity.toolCalls)} tool</dd></div>
        ${entity.type !== "resource" && html`<div><dt>Attempts</dt><dd>${count(entity.attempts)}, of them ${count(entity.retries)} ${entity.retries === 1 ? "retry" : "retries"}</dd></div>`}
      </dl>
      ${entity.budget && html`<h3>Budget</h3><${BudgetUse} entity=${entity} />`}
      <p><${ChangeBudget} entity=${entity} /></p>
      ${tags.length > 0 && html`<h3>Tags</h3><${Values} entries=${tags} />`}
      ${metadata.length > 0 && html`<h3>Metadata</h3><${Values} entries=${metadata} />`}
    </div>
  `;
}

/** @param {{name: string, value: string}} props */
const Fact = ({ name, value }) => (value ? html`<div><dt>${name}</dt><dd>${value}</dd></div>` : null);

/** @param {{rows: import("../events.js").StreamEvent[], log: import("../event-log.js").EventLog}} props */
function Events({ rows, log }) {
  return html`
    <${VirtualList} rows=${rows} rowPx=${44} label="Events, newest first" template="minmax(0, 1fr) auto"
      keyOf=${(/** @type {any} */ event) => event.id} onEnd=${() => log.state.value === "ready" && log.older()}
      rowProps=${(/** @type {any} */ event) => ({ class: "list-row event", "data-tone": event.tone, "data-channel": event.channel, "data-type": event.type })}
      onOpen=${(/** @type {any} */ event) => (openEvent.value = event)}
      cells=${(/** @type {any} */ event) => html`
        <span role="cell" class="event-type">${event.type}</span>
        <span role="cell" class="event-time"><time dateTime=${new Date(event.atMs).toISOString()}>${clock(event.atMs)}</time></span>
        <span role="cell" class="event-text" title=${event.text}>${event.text}</span>
        <span role="cell"><${Id} id=${event.entityId} missionId=${event.missionId} /></span>`}
      empty=${html`<${EmptyLog} log=${log}><p>No event of this ${rows.length === 0 ? "entity" : ""} yet.</p><//>`} />
  `;
}
