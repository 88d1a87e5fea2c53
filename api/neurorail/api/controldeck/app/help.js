// @ts-check
import { html } from "../vendor/ui.js";
import { helpOpen } from "./keys.js";
import { PAGES } from "./pages.js";
import { Sheet } from "./sheet.js";

export function Help() {
  return html`
    <${Sheet} open=${helpOpen.value} title="Keys" onClose=${() => (helpOpen.value = false)}>
      <dl class="facts keys">
        ${PAGES.map((page) => html`<div key=${page.key}><dt><kbd>g</kbd> <kbd>${page.key}</kbd></dt><dd>${page.title}</dd></div>`)}
        <div><dt><kbd>/</kbd></dt><dd>Search on this page</dd></div>
        <div><dt><kbd>p</kbd></dt><dd>Pause or resume the live events</dd></div>
        <div><dt><kbd>↑</kbd> <kbd>↓</kbd></dt><dd>Walk a list; <kbd>Enter</kbd> opens a row</dd></div>
        <div><dt><kbd>←</kbd> <kbd>→</kbd></dt><dd>Fold and unfold the chain</dd></div>
        <div><dt><kbd>Esc</kbd></dt><dd>Close what is open</dd></div>
        <div><dt><kbd>?</kbd></dt><dd>This list</dd></div>
      </dl>
    <//>
  `;
}
