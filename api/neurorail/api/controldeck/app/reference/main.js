// @ts-check
/** The HTTP API as the server itself describes it, for people. */

import { effect, html, render, signal, useSignal } from "../../vendor/ui.js";
import { scheme } from "../choice.js";
import { Mark } from "../mark.js";
import { marked, OperationRow } from "./operation.js";

/** @typedef {import("./operation.js").Operation} Operation */

const spec = signal(/** @type {any} */ (null));
const problem = signal("");

async function read() {
  problem.value = "";
  try {
    const answer = await fetch("../openapi.json");
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    spec.value = await answer.json();
  } catch (failed) {
    problem.value = failed instanceof Error ? failed.message : String(failed);
  }
}

/** @param {any} description @returns {Operation[]} */
function operationsOf(description) {
  return Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, /** @type {any} */ body]) => ({
      id: body.operationId, method: method.toUpperCase(), path, tag: body.tags?.[0] ?? "other", body,
      summary: (body.description ?? body.summary ?? "").split("\n\n")[0].replaceAll("\n", " "),
      text: `${method} ${path} ${body.tags?.join(" ") ?? ""} ${body.summary ?? ""} ${body.description ?? ""}`.toLowerCase(),
    })));
}

function Reference() {
  const words = useSignal("");
  const all = spec.value === null ? [] : operationsOf(spec.value);
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = all.filter(({ text }) => wanted.every((word) => text.includes(word)));
  const tags = [...new Set(found.map(({ tag }) => tag))].sort();
  return html`
    <div class="reference">
      <header>
        <a class="brand" href="./"><${Mark} /><span class="brand-name">NeuroRail</span></a>
        <h1>HTTP API</h1>
        <span class="faint">${spec.value?.info.version ?? ""}</span>
        <input type="search" aria-label="Search operations" placeholder="Path, method or word" spellcheck="false" value=${words.value} onInput=${(/** @type {any} */ event) => (words.value = event.target.value)} />
        <a class="button" href="../openapi.json" download="neurorail-openapi.json">openapi.json</a>
      </header>
      <nav class="chips" aria-label="Groups of operations">${tags.map((tag) => html`<a class="chip" key=${tag} href=${`#${tag}`}>${tag}</a>`)}</nav>
      <main>
        ${problem.value && html`<div class="nothing" role="alert"><p><strong>Could not read the description.</strong> ${problem.value}</p><button type="button" onClick=${read}>Try again</button></div>`}
        ${spec.value !== null && found.length === 0 && html`<div class="nothing"><p><strong>No operation matches.</strong></p></div>`}
        ${tags.map((tag) => html`
          <section class="panel" key=${tag} aria-labelledby=${tag}>
            <div class="panel-head"><h2 id=${tag}>${tag}</h2></div>
            ${found.filter((each) => each.tag === tag).map((each) => html`<${OperationRow} key=${each.id} spec=${spec.value} operation=${each} />`)}
          </section>`)}
        <p class="faint">${marked("Send a key as `Authorization: Bearer KEY` or `X-API-Key: KEY` once the server has keys; without any it is open. Refusals are problems (RFC 9457).")}</p>
      </main>
    </div>
  `;
}

effect(() => {
  const root = document.documentElement;
  if (scheme.value === "system") delete root.dataset.scheme;
  else root.dataset.scheme = scheme.value;
});
render(html`<${Reference} />`, /** @type {HTMLElement} */ (document.getElementById("reference")));

/** Opens what the address names. */
function follow() {
  const named = document.getElementById(location.hash.slice(1));
  if (named instanceof HTMLDetailsElement && !named.open) {
    // There is room for it at the top when it has unfolded.
    named.addEventListener("toggle", () => requestAnimationFrame(() => named.scrollIntoView()), { once: true });
    named.open = true;
  } else named?.scrollIntoView();
}
addEventListener("hashchange", follow);
// It is there only when it was read and drawn.
void read().then(() => requestAnimationFrame(follow));
