// @ts-check
/** The governor: manifests, shadows and gates; questions that wait for a person; decisions. */

import { html, useEffect } from "../../vendor/ui.js";
import { useEventLog } from "../event-log.js";
import { count, percent } from "../format.js";
import { Backtests } from "../governor/backtests.js";
import { Confirmations } from "../governor/confirmations.js";
import { Manifests } from "../governor/manifests.js";
import { LogTable } from "../log-table.js";
import { Tabs } from "../panel.js";
import { GOVERNOR, useReading } from "../reading.js";
import { inAddress, place } from "../route.js";
import { toldBy, toldOf } from "../told.js";

const MANIFEST_EVENTS = ["manifest_created", "manifest_shadowed", "manifest_activated", "manifest_retired", "manifest_refused"];
const tab = inAddress("tab", ["decisions", "diverged", "answers", "changes", "backtests"]);

export function Governor() {
  const stats = useReading(`${GOVERNOR}stats`, ["mode_decided"]);
  const manifests = useReading(`${GOVERNOR}manifests`, [...MANIFEST_EVENTS, "shadow_diverged"], 5000);
  const questions = useReading(`${GOVERNOR}confirmations`, ["confirmation_requested", "confirmation_resolved"], 5000);
  const decisions = useEventLog(["mode_decided"]);
  const diverged = useEventLog(["shadow_diverged"]);
  const answered = useEventLog(["confirmation_requested", "confirmation_resolved"]);
  const changes = useEventLog(MANIFEST_EVENTS);
  const backtests = useReading(`${GOVERNOR}backtests`, ["rerun_started", "rerun_ended"]);
  const asked = place.value.query.get("backtest");
  useEffect(() => {
    if (asked) tab.value = "backtests";
  }, [asked]);
  const said = stats.value.value;
  const total = said?.total_decisions ?? 0;
  const codes = Object.entries(said?.refused_by_code ?? {}).map(([code, value]) => `${value} ${code}`).join(", ");
  const waiting = (questions.value.value?.confirmations ?? []).filter((/** @type {any} */ each) => each.state === "pending").length;
  return html`
    <dl class="tiles five" aria-label="The governor at a glance">
      <div class="tile" data-tile="active"><dt>In force</dt><dd class="tile-value tile-text">${toldBy(manifests, ({ active }) => active.version)}</dd><dd class="tile-note id">${(manifests.value.value?.active.sha256 ?? "").slice(0, 16)}</dd></div>
      <div class="tile" data-tile="decisions"><dt>Decisions</dt><dd class="tile-value">${toldBy(stats, () => count(total))}</dd><dd class="tile-note">${toldBy(stats, () => `${count(said?.rail_mode_count ?? 0)} rail · ${count(said?.direct_mode_count ?? 0)} direct`)}</dd></div>
      <div class="tile" data-tile="refused" data-tone=${said?.refused_count > 0 ? "failed" : ""}><dt>Refused</dt><dd class="tile-value">${toldBy(stats, () => count(said?.refused_count ?? 0))}</dd><dd class="tile-note" title=${codes}>${toldBy(stats, () => (total > 0 ? [percent((said?.refused_count ?? 0) / total), codes].filter(Boolean).join(" · ") : "nobody asked yet"))}</dd></div>
      <div class="tile" data-tile="questions" data-tone=${waiting > 0 ? "timeout" : ""}><dt>Waiting for a person</dt><dd class="tile-value">${toldBy(questions, () => count(waiting))}</dd><dd class="tile-note">questions to approve or deny</dd></div>
      <div class="tile" data-tile="diverged"><dt>Shadow differed</dt><dd class="tile-value">${toldOf(diverged)}</dd><dd class="tile-note">times from the manifest in force</dd></div>
    </dl>
    <div class="columns reflex">
      <div class="column">
        <${Confirmations} reading=${questions} />
        <${Manifests} reading=${manifests} />
      </div>
      <section class="panel moves" data-panel="governor-log" aria-label="What happened">
        <div class="panel-head tabs-head">
          <${Tabs} label="What is listed" chosen=${tab.value} onChoose=${(/** @type {any} */ name) => (tab.value = name)}
            tabs=${[["decisions", "Decisions"], ["diverged", "Shadow"], ["answers", "Answers"], ["changes", "Changes"], ["backtests", "Backtests"]]} />
        </div>
        ${tab.value === "decisions" && html`<${LogTable} key="decisions" log=${decisions} name="decisions">Nobody asked yet. Agents on the rail ask before each call.<//>`}
        ${tab.value === "diverged" && html`<${LogTable} key="diverged" log=${diverged} name="divergence">No shadow decided otherwise than the manifest in force.<//>`}
        ${tab.value === "answers" && html`<${LogTable} key="answers" log=${answered} name="answers">No question was asked of a person.<//>`}
        ${tab.value === "changes" && html`<${LogTable} key="changes" log=${changes} name="manifest-changes">No manifest was made or moved.<//>`}
        ${tab.value === "backtests" && html`<${Backtests} key="backtests" reading=${backtests} manifests=${manifests} />`}
      </section>
    </div>
  `;
}
