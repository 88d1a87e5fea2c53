// @ts-check
/** The frame around a list or a chart, and what it says while it has nothing to show. */

import { html } from "../vendor/ui.js";

/** @param {{title: string, name: string, note?: any, tools?: any, children?: any, class?: string, level?: number}} props */
export function Panel({ title, name, note, tools, children, class: more = "", level = 2 }) {
  const heading = level === 3
    ? html`<h3 id=${`${name}-title`}>${title}</h3>`
    : html`<h2 id=${`${name}-title`}>${title}</h2>`;
  return html`
    <section class="panel ${more}" data-panel=${name} aria-labelledby=${`${name}-title`}>
      <div class="panel-head">
        ${heading}
        <span class="panel-note">${note}</span>
        ${tools}
      </div>
      ${children}
    </section>
  `;
}

/** What stands where rows would be. @param {{loading?: boolean, problem?: string, onRetry?: () => void, children?: any}} props */
export function Nothing({ loading = false, problem = "", onRetry, children }) {
  if (problem !== "") {
    return html`
      <div class="nothing" role="alert">
        <p><strong>Could not read this.</strong> ${problem}</p>
        ${onRetry && html`<button type="button" onClick=${onRetry}>Try again</button>`}
      </div>
    `;
  }
  if (loading) return html`<div class="skeleton" role="status"><span class="unseen">Reading…</span>${BARS}</div>`;
  return html`<div class="nothing">${children}</div>`;
}

const BARS = [82, 64, 74, 52, 68].map((width) => html`<i style=${{ width: `${width}%` }}></i>`);

/** What a log shows while it has no rows. @param {{log: import("./event-log.js").EventLog, children?: any}} props */
export function EmptyLog({ log, children }) {
  return html`
    <${Nothing} loading=${log.state.value === "loading"} problem=${log.state.value === "failed" ? log.problem.value : ""}
      onRetry=${() => log.older()}>${children}<//>
  `;
}

/**
 * One of several views at a time. @param {{label: string, tabs: [string, string, any?][], chosen: string, onChoose: (name: string) => void}} props
 */
export function Tabs({ label, tabs, chosen, onChoose }) {
  /** @param {KeyboardEvent} event */
  function pressed(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const at = tabs.findIndex(([name]) => name === chosen);
    const next = tabs[(at + step + tabs.length) % tabs.length];
    if (!next) return;
    onChoose(next[0]);
    const list = /** @type {HTMLElement} */ (event.currentTarget);
    /** @type {HTMLElement | null} */ (list.querySelector(`[data-tab="${next[0]}"]`))?.focus();
  }
  return html`
    <div class="tabs" role="tablist" aria-label=${label} onKeyDown=${pressed}>
      ${tabs.map(([name, text, count]) => html`
        <button type="button" role="tab" key=${name} data-tab=${name} aria-selected=${name === chosen}
          tabindex=${name === chosen ? 0 : -1} onClick=${() => onChoose(name)}>
          ${text}${count !== undefined && html` <span class="tab-count">${count}</span>`}
        </button>
      `)}
    </div>
  `;
}
