// @ts-check
/** The reflex monitor: breakers, directives, what acted and why, agents, and the operator's hand. */

import { html } from "../../vendor/ui.js";
import { useEventLog } from "../event-log.js";
import { count } from "../format.js";
import { LogTable } from "../log-table.js";
import { Tabs } from "../panel.js";
import { useReading } from "../reading.js";
import { Agents } from "../reflex/agents.js";
import { Breakers } from "../reflex/breakers.js";
import { Directives } from "../reflex/directives.js";
import { Lifecycle } from "../reflex/lifecycle.js";
import { inAddress } from "../route.js";
import { toldBy, toldOf } from "../told.js";

const tab = inAddress("tab", ["actions", "triggers", "circuits", "lifecycle", "agents"]);

export function Reflex() {
  const breakers = useReading("reflex/breakers", ["circuit_state_changed", "cooldown_activated"], 5000);
  const directives = useReading("reflex/directives", ["directive_issued", "directive_lifted"], 5000);
  const agents = useReading("agents", ["agent_connected"], 5000);
  const actions = useEventLog(["reflex_action_executed"]);
  const triggers = useEventLog(["trigger_activated"]);
  const circuits = useEventLog(["circuit_state_changed", "cooldown_activated"]);
  const all = breakers.value.value?.breakers ?? [];
  const open = all.filter((/** @type {any} */ each) => each.state !== "closed").length;
  const connected = agents.value.value?.agents ?? [];
  return html`
    <dl class="tiles five" aria-label="Reflexes at a glance">
      <div class="tile" data-tile="circuits" data-tone=${open > 0 ? "failed" : ""}><dt>Circuits not closed</dt><dd class="tile-value">${toldBy(breakers, () => count(open))}</dd><dd class="tile-note">of ${toldBy(breakers, () => count(all.length))} that ever opened</dd></div>
      <div class="tile" data-tile="directives" data-tone=${directives.value.value?.total > 0 ? "timeout" : ""}><dt>Directives that hold</dt><dd class="tile-value">${toldBy(directives, ({ total }) => count(total))}</dd><dd class="tile-note">what agents may not do now</dd></div>
      <div class="tile" data-tile="triggers"><dt>Triggers</dt><dd class="tile-value">${toldOf(triggers)}</dd><dd class="tile-note">reflexes that saw their reason</dd></div>
      <div class="tile" data-tile="actions"><dt>Actions</dt><dd class="tile-value">${toldOf(actions)}</dd><dd class="tile-note">by reflexes and by people</dd></div>
      <div class="tile" data-tile="agents"><dt>Agents connected</dt><dd class="tile-value">${toldBy(agents, () => count(connected.filter((/** @type {any} */ each) => each.gate?.connected).length))}</dd><dd class="tile-note">${toldBy(agents, () => count(connected.length))} announced lately</dd></div>
    </dl>
    <div class="columns reflex">
      <div class="column">
        <${Breakers} reading=${breakers} failures=${circuits} />
        <${Directives} reading=${directives} />
      </div>
      <section class="panel moves" data-panel="reflex-log" aria-label="What happened">
        <div class="panel-head tabs-head">
          <${Tabs} label="What is listed" chosen=${tab.value} onChoose=${(/** @type {any} */ name) => (tab.value = name)}
            tabs=${[["actions", "Actions"], ["triggers", "Triggers"], ["circuits", "Circuits"], ["lifecycle", "Lifecycle"], ["agents", "Agents", count(connected.length)]]} />
        </div>
        ${tab.value === "actions" && html`<${LogTable} key="actions" log=${actions} name="actions">No reflex acted, and nobody by hand.<//>`}
        ${tab.value === "triggers" && html`<${LogTable} key="triggers" log=${triggers} name="triggers">No trigger was activated.<//>`}
        ${tab.value === "circuits" && html`<${LogTable} key="circuits" log=${circuits} name="circuits">No circuit ever moved.<//>`}
        ${tab.value === "lifecycle" && html`<${Lifecycle} />`}
        ${tab.value === "agents" && html`<${Agents} reading=${agents} />`}
      </section>
    </div>
  `;
}
