// @ts-check
/** The proof of one event: fetched, checked in this browser, shown, and taken along. */

import { html, useEffect, useSignal } from "../../vendor/ui.js";
import { getText } from "../api.js";
import { save } from "../export.js";
import { moment, shortId } from "../format.js";
import { canCheck, checkBundle } from "./bundle-check.js";

/** @typedef {{text: string, found: import("./bundle-check.js").Found | null}} Proven */

/** @param {{event: import("../events.js").StreamEvent}} props */
export function Proof({ event }) {
  const proven = useSignal(/** @type {Proven | null} */ (null));
  const problem = useSignal("");
  useEffect(() => {
    let wanted = true;
    proven.value = null;
    problem.value = "";
    prove(event.id).then(
      (found) => wanted && (proven.value = found),
      (failed) => wanted && (problem.value = failed instanceof Error ? failed.message : String(failed)),
    );
    return () => {
      wanted = false;
    };
  }, [event.id]);

  if (problem.value) return html`<p class="sign-in-problem" role="alert" data-proof="failed">${problem.value}</p>`;
  if (proven.value === null) return html`<p class="faint" role="status" data-proof="asking">Fetching the proof…</p>`;
  const { text, found } = proven.value;
  return html`
    <${Verdict} found=${found} event=${event} />
    ${found && html`<${Steps} found=${found} />`}
    <p class="sheet-actions"><button type="button" onClick=${() => save(`neurorail-proof-${event.id}.jsonl`, "application/x-ndjson", text)}>Download the proof</button></p>
    <p class="faint">Anybody can check it with Python alone: <code>python verify_bundle.py FILE PUBLIC_KEY</code>.</p>
  `;
}

/** @param {string} id @returns {Promise<Proven>} */
async function prove(id) {
  const text = await getText(`audit/proof/${encodeURIComponent(id)}?format=jsonl`);
  return { text, found: canCheck() ? await checkBundle(text) : null };
}

/** @param {{found: import("./bundle-check.js").Found | null, event: import("../events.js").StreamEvent}} props */
function Verdict({ found, event }) {
  if (found === null) {
    return html`<p role="status" data-proof="unable">Browsers hash over TLS and on loopback only, and this page came over neither. Download the proof and check it with verify_bundle.py.</p>`;
  }
  const line = found.events[0];
  if (line === undefined) return html`<p class="sign-in-problem" role="alert" data-proof="failed">The answer has no event.</p>`;
  const faults = [...found.faults, ...(!isShown(line, event) ? ["what is shown above is not what was hashed"] : [])];
  if (faults.length > 0) {
    return html`<p role="alert" data-proof="broken"><strong class="bad">The proof does not hold.</strong> ${faults.join("; ")}</p>`;
  }
  if (line.proof === null) {
    return html`<p role="status" data-proof="unsigned"><strong>Not signed yet.</strong> The event is what its hash says; the next checkpoint covers it.</p>`;
  }
  if (found.signatures === "unable") {
    return html`<p role="status" data-proof="unable"><strong>Not proven here.</strong> Every hash leads to the root of a checkpoint, but this browser knows no Ed25519, so that its signature was not checked. Download the proof and check it with verify_bundle.py.</p>`;
  }
  return html`
    <p role="status" data-proof="holds"><strong class="good">Proven</strong>, if the public key is the one that you know. This browser recomputed every hash from the event to the root of a signed checkpoint, and checked its signature.</p>
  `;
}

/** Whether the details that were hashed are those on the page. @param {any} line @param {import("../events.js").StreamEvent} event */
function isShown(line, event) {
  if (line.details === null) return true;
  /** @type {Record<string, unknown>} */
  const said = JSON.parse(line.details);
  return Object.entries(said).every(([name, value]) => JSON.stringify(event.data[name]) === JSON.stringify(value));
}

/** @param {{found: import("./bundle-check.js").Found}} props */
function Steps({ found }) {
  const line = found.events[0];
  const proof = line?.proof;
  const checkpoint = proof && found.checkpoints.find((each) => each.root === proof.root);
  return html`
    <dl class="values proof">
      <div><dt>event's hash</dt><dd>${line?.hash}</dd></div>
      <div><dt>follows</dt><dd>${line?.prev_hash}</dd></div>
      ${proof && html`
        <div><dt>place</dt><dd>${proof.place + 1} of ${proof.count} under the checkpoint</dd></div>
        <div><dt>path</dt><dd data-path=${proof.path.length}>${proof.path.length === 0 ? "none: it is the only one" : proof.path.join("\n")}</dd></div>
        <div><dt>root</dt><dd>${proof.root}</dd></div>`}
      ${checkpoint && html`
        <div><dt>signed</dt><dd>${moment(Number(BigInt(checkpoint.time_unix_nano) / 1_000_000n))}, event ${String(checkpoint.total)} of the chain</dd></div>
        <div><dt>public key</dt><dd title=${checkpoint.public_key}>${checkpoint.public_key}</dd></div>
        <div><dt>signature</dt><dd title=${checkpoint.signature}>${shortId(checkpoint.signature)}</dd></div>`}
    </dl>
  `;
}
