// @ts-check
/** A dialog at the side of the page; Escape and a click beside it close it. */

import { html, useEffect, useRef } from "../vendor/ui.js";

/** @param {{open: boolean, title: any, onClose: () => void, wide?: boolean, children?: any}} props */
export function Sheet({ open, title, onClose, wide = false, children }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    const element = dialog.current;
    if (!element) return;
    if (open && !element.open) element.showModal();
    if (!open && element.open) element.close();
  }, [open]);
  return html`
    <dialog class=${wide ? "sheet wide" : "sheet"} ref=${dialog} onClose=${onClose} aria-labelledby="sheet-title"
      onClick=${(/** @type {MouseEvent} */ event) => event.target === dialog.current && onClose()}>
      ${open && html`
        <div class="sheet-body">
          <div class="panel-head"><h2 id="sheet-title">${title}</h2><span class="panel-note"></span>
            <button type="button" onClick=${onClose}>Close</button></div>
          <div class="scroll" tabindex="0">${children}</div>
        </div>`}
    </dialog>
  `;
}
