// @ts-check
/** Manifests with their states and gates; the one in force and another side by side. */

import { html, useEffect, useSignal } from "../../vendor/ui.js";
import { get, post } from "../api.js";
import { ask } from "../ask.js";
import { time } from "../entity.js";
import { Export } from "../export.js";
import { ago, count } from "../format.js";
import { Nothing, Panel } from "../panel.js";
import { GOVERNOR } from "../reading.js";
import { may } from "../session.js";
import { Sheet } from "../sheet.js";
import { now } from "../store.js";
import { Td, Th, VirtualList } from "../virtual.js";
import { Diff } from "./diff.js";
import { Gate } from "./gate.js";
import { NewManifest } from "./new-manifest.js";

/** @type {Record<string, string>} */
const TONES = { active: "running", shadow: "pending", draft: "queued", retired: "cancelled" };
/** @type {import("../export.js").Columns<any>} */
const COLUMNS = Object.fromEntries(
  ["version", "name", "state", "sha256", "created_at", "since", "compared", "unmet"].map((name) => [name, (/** @type {any} */ row) => row[name]]),
);

/** @param {{reading: any}} props */
export function Manifests({ reading }) {
  const shown = useSignal("");
  const making = useSignal(false);
  const rows = [...(reading.value.value?.manifests ?? [])].reverse();
  const active = reading.value.value?.active.version ?? "";
  return html`
    <${Panel} name="manifests" class="active" title="Manifests" note=${rows.length > 0 ? count(rows.length) : ""}
      tools=${html`${may("manage:governor") && html`<button type="button" class="primary" onClick=${() => (making.value = true)}>New</button>`}<${Export} name="manifests" rows=${rows} columns=${COLUMNS} />`}>
      <${VirtualList} rows=${rows} rowPx=${40} label="Manifests, newest first" minWidthPx=${600} template="minmax(110px, 1fr) 92px 54px minmax(150px, 1.6fr) minmax(150px, auto)"
        head=${html`<${Th}>Version<//><${Th}>State<//><${Th} number>Since<//><${Th}>Gate<//><${Th}><span class="unseen">Actions</span><//>`}
        keyOf=${(/** @type {any} */ row) => row.version} onOpen=${(/** @type {any} */ row) => (shown.value = row.version)}
        rowProps=${(/** @type {any} */ row) => ({ "data-manifest": row.version, "data-manifest-state": row.state })}
        cells=${(/** @type {any} */ row) => html`
          <${Td} clip title=${row.sha256}><b>${row.version}</b> <span class="faint">${row.name}</span><//>
          <${Td}><span class="state" style=${{ "--tone": `var(--${TONES[row.state] ?? "cancelled"})` }}>${row.state}</span><//>
          <${Td} number faint>${ago(time(row.since) ?? 0, now.value)}<//>
          <${Td} clip faint title=${(row.unmet ?? []).join("; ")}><${GateWord} row=${row} /><//>
          <${Td} number><${Moves} row=${row} /><//>`}
        empty=${html`<${Nothing} loading=${reading.value.value === null && reading.problem.value === ""} problem=${reading.problem.value} onRetry=${reading.refresh}>
          <p><strong>Only the shipped manifest.</strong></p><p>Make one of your own: a draft first, then a shadow beside the one in force, then active.</p><//>`} />
    <//>
    <${Side} version=${shown.value} active=${active} onClose=${() => (shown.value = "")} />
    <${NewManifest} open=${making.value} onClose=${() => (making.value = false)} />
  `;
}

/** How far a shadow is on its way. @param {{row: any}} props */
function GateWord({ row }) {
  const { evaluations = 0, mode_diverged: mode = 0, newly_refused: refused = 0 } = row.compared ?? {};
  if (row.state === "shadow") {
    return html`${count(evaluations)} evaluated, ${count(mode)} differ, ${count(refused)} newly refused · ${row.unmet.length === 0 ? html`<b class="good">gate met</b>` : `${row.unmet.length} unmet: ${row.unmet.join("; ")}`}`;
  }
  return row.state === "draft" ? "becomes a shadow first" : "";
}

/** @param {{row: any}} props */
function Moves({ row }) {
  if (!may("manage:governor")) return null;
  /** @param {"shadow" | "activate" | "retire"} action */
  const move = (action) => ask({
    title: `${action[0]?.toUpperCase()}${action.slice(1)} ${row.version}`,
    says: html`<p>${SAYS[action]}</p>${action === "activate" && row.unmet.length > 0 && html`<p class="bad">The gate is not met: ${row.unmet.join("; ")}.</p>`}`,
    verb: action === "shadow" ? "Evaluate as shadow" : action === "activate" ? "Activate" : "Retire",
    danger: action === "retire",
    option: action === "activate" && row.unmet.length > 0 && may("emergency:override") ? { name: "force", text: "Go past the gate (emergency override; needs a reason)" } : undefined,
    act: (reason, force) => post(`${GOVERNOR}manifests/${encodeURIComponent(row.version)}/${action}`, { reason, force }),
  });
  return html`
    <span class="confirm">
      ${row.state === "draft" && html`<button type="button" onClick=${() => move("shadow")}>Shadow…</button>`}
      ${row.state === "shadow" && html`<button type="button" onClick=${() => move("activate")}>Activate…</button>`}
      ${(row.state === "shadow" || row.state === "draft") && html`<button type="button" onClick=${() => move("retire")}>Retire…</button>`}
    </span>
  `;
}

const SAYS = {
  shadow: "It is evaluated beside the manifest in force from now on. It decides nothing; where it would, is counted.",
  activate: "It takes effect for everything that begins from now on.",
  retire: "It is out of use.",
};

/** One manifest, and what it changes against the one in force. @param {{version: string, active: string, onClose: () => void}} props */
function Side({ version, active, onClose }) {
  const pair = useSignal(/** @type {any[] | null} */ (null));
  const problem = useSignal("");
  useEffect(() => {
    pair.value = null;
    problem.value = "";
    if (version === "") return;
    Promise.all(["active", version].map((name) => get(`${GOVERNOR}manifests/${encodeURIComponent(name)}`))).then(
      (found) => (pair.value = found),
      (failed) => (problem.value = failed.message),
    );
  }, [version, active]);
  const [now_, other] = pair.value ?? [];
  return html`
    <${Sheet} open=${version !== ""} title=${version} onClose=${onClose} wide>
      ${!other && html`<${Nothing} loading=${problem.value === ""} problem=${problem.value} />`}
      ${other && html`
        <div class="manifest">
          <h3>${other.sha256 === now_.sha256 ? "In force" : `Against ${now_.version}, which is in force`}</h3>
          <${Diff} before=${pretty(now_.manifest)} after=${pretty(other.manifest)} names=${[`${now_.version}, in force`, `${other.version}, ${other.state}`]} />
          ${other.state === "shadow" && html`<h3>Its way through the gate of ${now_.version}</h3><${Gate} row=${other} gate=${now_.manifest.gate} />`}
          ${other.source && html`<h3>As it was written</h3><pre class="source" tabindex="0" role="region" aria-label="As it was written">${other.source}</pre>`}
        </div>`}
    <//>
  `;
}

/** @param {any} manifest */
const pretty = (manifest) => JSON.stringify(manifest, null, 2).split("\n");
