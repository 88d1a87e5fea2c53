// @ts-check
/** One operation of the API: what it takes, an example to paste, and what it answers. */

import { Fragment, html, useSignal } from "../../vendor/ui.js";
import { fieldsOf, resolve, says, typeOf } from "./schema.js";

/** @typedef {{id: string, method: string, path: string, tag: string, summary: string, text: string, body: any}} Operation `body`: as the description has it */

/** What people read with every operation, and need to read once. */
const USUAL = new Set(["401", "403", "422", "429", "503"]);

/** @param {{spec: any, operation: Operation}} props */
export function OperationRow({ spec, operation }) {
  const shown = useSignal(false);
  const { id, method, path, summary } = operation;
  return html`
    <details class="operation" id=${id} data-operation=${`${method} ${path}`} onToggle=${(/** @type {any} */ event) => (shown.value = event.target.open)}>
      <summary><b class="method" data-method=${method}>${method}</b><code>${path}</code><span class="faint">${marked(summary)}</span></summary>
      ${shown.value && html`<${Whole} spec=${spec} operation=${operation} />`}
    </details>
  `;
}

/** @param {{spec: any, operation: Operation}} props */
function Whole({ spec, operation }) {
  const { body } = operation;
  const [media, content] = Object.entries(body.requestBody?.content ?? {})[0] ?? ["", null];
  const answers = Object.entries(body.responses ?? {});
  return html`
    <div class="operation-whole">
      <${Text} text=${body.description ?? ""} />
      ${body.parameters?.length > 0 && html`<h3>Parameters</h3><${Fields} fields=${body.parameters.map((/** @type {any} */ each) => ({
        name: each.name, depth: 0, type: typeOf(spec, each.schema), required: each.required ?? false, says: `${each.in}: ${says(spec, { ...resolve(spec, each.schema), description: each.description ?? each.schema?.description })}`,
      }))} />`}
      ${content && html`
        <h3>Body <span class="faint">${media}${body.requestBody.required ? "" : ", may be left out"}</span></h3>
        <${Text} text=${body.requestBody.description ?? ""} />
        <${Fields} fields=${fieldsOf(spec, content.schema)} />`}
      <h3>Example</h3>
      <pre class="source" tabindex="0">${curlOf(operation, media, content)}</pre>
      <h3>Answers</h3>
      ${answers.filter(([code]) => !USUAL.has(code)).map(([code, answer]) => html`<${Answer} key=${code} spec=${spec} code=${code} answer=${answer} />`)}
      ${answers.some(([code]) => USUAL.has(code)) && html`
        <details class="usual"><summary>Refusals: ${answers.filter(([code]) => USUAL.has(code)).map(([code]) => code).join(", ")}</summary>
          ${answers.filter(([code]) => USUAL.has(code)).map(([code, answer]) => html`<${Answer} key=${code} spec=${spec} code=${code} answer=${answer} brief />`)}
        </details>`}
    </div>
  `;
}

/** @param {{spec: any, code: string, answer: any, brief?: boolean}} props `brief`: its example alone */
function Answer({ spec, code, answer, brief = false }) {
  const contents = Object.entries(answer.content ?? {});
  return html`
    <p class="answer"><b data-good=${code < "400"}>${code}</b> ${answer.description}</p>
    ${contents.map(([media, content]) => html`
      <${Fragment} key=${media}>
        ${!brief && content.schema && html`<${Fields} fields=${fieldsOf(spec, content.schema)} />`}
        ${content.example !== undefined && html`<pre class="source" tabindex="0">${JSON.stringify(content.example, null, 2)}</pre>`}
        ${content.example === undefined && html`<p class="faint">${media}</p>`}
      <//>`)}
  `;
}

/** @param {{fields: import("./schema.js").Field[]}} props */
function Fields({ fields }) {
  if (fields.length === 0) return null;
  const meant = fields.some((field) => field.says !== "");
  return html`
    <div class="wide-table" tabindex="0" role="region" aria-label="Fields">
      <table class="plain fields">
        <thead><tr><th scope="col">Name</th><th scope="col">Type</th>${meant && html`<th scope="col">Meaning</th>`}</tr></thead>
        <tbody>
          ${fields.map((field, at) => html`
            <tr key=${at} data-field=${field.name}>
              <th scope="row" style=${{ paddingInlineStart: `${field.depth * 16 + 14}px` }}><code>${field.name}</code>${field.required && html` <span class="needed">required</span>`}</th>
              <td><code>${field.type}</code></td>${meant && html`<td>${marked(field.says)}</td>`}
            </tr>`)}
        </tbody>
      </table>
    </div>
  `;
}

/** Paragraphs. @param {{text: string}} props */
const Text = ({ text }) => text.split(/\n\s*\n/).filter(Boolean).map((part, at) => html`<p key=${at}>${marked(part)}</p>`);

/** What stands in backticks is code. @param {string} text */
export const marked = (text) => text.split("`").map((part, at) => (at % 2 === 1 ? html`<code key=${at}>${part}</code>` : part));

/** @param {Operation} operation @param {string} media @param {any} content */
function curlOf({ method, path }, media, content) {
  const at = `${location.origin}${path}`;
  if (method === "GET") return `curl '${at}'`;
  const start = `curl -X ${method} '${at}'`;
  if (!content) return start;
  if (content.example === undefined) return `${start} \\\n  -H 'Content-Type: ${media}' --data-binary @FILE`;
  const text = JSON.stringify(content.example, null, 2).replaceAll("'", "'\\''");
  return `${start} \\\n  -H 'Content-Type: ${media}' \\\n  -d '${text}'`;
}
