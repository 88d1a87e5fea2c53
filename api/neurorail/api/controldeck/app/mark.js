// @ts-check
import { html } from "../vendor/ui.js";

/** The product's mark. */
export function Mark() {
  return html`
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path class="mark-rail" d="M9 4v24M23 4v24" />
      <path class="mark-tie" d="M9 9h14M9 16h14M9 23h14" />
      <circle class="mark-node" cx="16" cy="16" r="4" />
    </svg>
  `;
}
