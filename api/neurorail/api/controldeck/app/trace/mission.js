// @ts-check
/** One mission: what it is and took, its waterfall, and beside it the entity in focus. */

import { html } from "../../vendor/ui.js";
import { Ago, Cost, Elapsed, Marks, State } from "../badge.js";
import { ENTITY_COLUMNS, Export } from "../export.js";
import { brief, count } from "../format.js";
import { Nothing, Panel } from "../panel.js";
import { adjust, link } from "../route.js";
import { codes } from "../store.js";
import { Inspector } from "./inspector.js";
import { useMission } from "./mission-data.js";
import { Waterfall } from "./waterfall.js";

/** @param {{id: string, focus: string}} props */
export function Mission({ id, focus }) {
  const { data, log } = useMission(id);
  const entities = data.entities.value;
  const mission = entities.find((entity) => entity.id === id);
  const focused = entities.find((entity) => entity.id === (focus || id)) ?? mission;
  if (!mission) {
    return html`
      <${Back} />
      <section class="panel whole"><${Nothing} loading=${data.problem.value === ""} problem=${data.problem.value} onRetry=${data.refresh} /></section>
    `;
  }
  return html`
    <${Back} id=${id} />
    <${Head} mission=${mission} />
    <div class="columns trace">
      <${Panel} name="chain" class="chain" title="Chain" note=${`${count(entities.length)} entities${data.truncated.value ? ", more are not shown" : ""}`}
        tools=${html`<${Export} name="chain" rows=${entities} columns=${ENTITY_COLUMNS} />`}>
        ${data.problem.value && html`<p class="strip" role="alert">${data.problem.value}</p>`}
        <${Waterfall} entities=${entities} root=${id} focus=${focus} onFocus=${(/** @type {string} */ entity) => adjust({ entity: entity === id ? "" : entity })} />
      <//>
      ${focused && html`<${Inspector} entity=${focused} missionId=${id} log=${log} />`}
    </div>
  `;
}

/** @param {{id?: string}} props */
function Back({ id = "" }) {
  return html`
    <nav class="crumbs" aria-label="Where this is">
      <a href=${link("trace")}>All missions</a>${id && html`<span aria-hidden="true">/</span><span class="id">${id}</span>`}
    </nav>
  `;
}

/** @param {{mission: import("../entity.js").Entity}} props */
export function Head({ mission }) {
  const found = codes.value.get(mission.id) ?? [];
  const marks = mission.errorCode && !found.includes(mission.errorCode) ? [mission.errorCode, ...found] : found;
  return html`
    <dl class="tiles head-tiles" aria-label="The mission">
      <div class="tile"><dt>State</dt><dd class="tile-value"><${State} state=${mission.state} /></dd><dd class="tile-note"><${Marks} codes=${marks} flags=${mission.flags.filter((flag) => flag !== "derived")} /></dd></div>
      <div class="tile" data-tile="agent"><dt>Agent</dt><dd class="tile-value tile-text">${mission.agent || mission.service || "–"}</dd><dd class="tile-note">${mission.agent ? mission.service : ""}</dd></div>
      <div class="tile" data-tile="duration"><dt>Duration</dt><dd class="tile-value"><${Elapsed} row=${mission} /></dd><dd class="tile-note">begun <${Ago} at=${mission.startedMs ?? mission.createdMs} /> ago</dd></div>
      <div class="tile" data-tile="tokens"><dt>Tokens</dt><dd class="tile-value">${count(mission.inputTokens + mission.outputTokens)}</dd><dd class="tile-note">${brief(mission.inputTokens)} in · ${brief(mission.outputTokens)} out</dd></div>
      <div class="tile" data-tile="cost"><dt>Cost</dt><dd class="tile-value"><${Cost} row=${mission} /></dd><dd class="tile-note">${count(mission.modelCalls)} model ${mission.modelCalls === 1 ? "call" : "calls"} · ${count(mission.toolCalls)} ${mission.toolCalls === 1 ? "tool" : "tools"}</dd></div>
      <div class="tile" data-tile="retries"><dt>Retries</dt><dd class="tile-value">${count(mission.retries)}</dd><dd class="tile-note">${count(mission.attempts)} attempts</dd></div>
    </dl>
  `;
}
