// @ts-check
/** Access: who this is, the keys there are, who did what, and who was turned away. */

import { html, useEffect, useSignal } from "../../vendor/ui.js";
import { Acts } from "../access/acts.js";
import { KeyForm } from "../access/key-form.js";
import { Keys } from "../access/keys.js";
import { get } from "../api.js";
import { Clock } from "../badge.js";
import { openEvent } from "../event-sheet.js";
import { useEventLog } from "../event-log.js";
import { EVENT_COLUMNS, Export } from "../export.js";
import { EmptyLog, Panel } from "../panel.js";
import { may, signedIn, who } from "../session.js";
import { toldOf } from "../told.js";
import { Td, Th, VirtualList } from "../virtual.js";

/** @typedef {import("../events.js").StreamEvent} StreamEvent */

export function Access() {
  const keys = useSignal(/** @type {any[] | null} */ (null));
  const problem = useSignal("");
  const making = useSignal(false);

  function read() {
    get("rbac/keys").then(
      (answer) => {
        keys.value = answer.keys;
        problem.value = "";
      },
      (failed) => (problem.value = failed.message),
    );
  }
  const manages = may("manage:rbac");
  useEffect(() => {
    if (manages) read();
  }, [manages]);

  return html`
    <${Myself} />
    <div class="columns access">
      ${manages
        ? html`<${Keys} keys=${keys.value} problem=${problem.value} onRead=${read} onNew=${() => (making.value = true)} />`
        : html`<${Panel} name="keys" title="Keys"><div class="nothing"><p><strong>Not for this key.</strong></p><p>Keys are shown to whoever has <code>manage:rbac</code>.</p></div><//>`}
      ${may("read:audit") && html`<${Denials} /><${Acts} keys=${keys.value} />`}
    </div>
    <${KeyForm} open=${making.value} onClose=${() => (making.value = false)} onMade=${read} />
  `;
}

function Myself() {
  const me = who.value;
  return html`
    <dl class="tiles four" aria-label="Who you are">
      <div class="tile" data-tile="principal"><dt>You are</dt><dd class="tile-value tile-text">${me?.principal}</dd><dd class="tile-note">tenant ${me?.tenant}</dd></div>
      <div class="tile" data-tile="role"><dt>Role</dt><dd class="tile-value tile-text">${me?.role ?? "own permissions"}</dd><dd class="tile-note">${me?.expires_at ? `until ${me.expires_at.slice(0, 10)}` : "does not expire"}</dd></div>
      <div class="tile" data-tile="permissions"><dt>Permissions</dt><dd class="tile-value">${me?.permissions.length}</dd><dd class="tile-note" title=${me?.permissions.join(", ")}>${me?.permissions.join(", ")}</dd></div>
      <div class="tile" data-tile="open"><dt>This server</dt><dd class="tile-value tile-text">${!signedIn() ? "open" : "asks for keys"}</dd><dd class="tile-note">${signedIn() ? "of everybody" : "to whoever is on its machine, until the first key"}</dd></div>
    </dl>
  `;
}

function Denials() {
  const log = useEventLog(["access_denied"]);
  return html`
    <${Panel} name="denials" title="Turned away" note=${toldOf(log)}
      tools=${html`<${Export} name="denials" rows=${log.rows.value} columns=${EVENT_COLUMNS} />`}>
      <${VirtualList} rows=${log.rows.value} rowPx=${34} label="Denials, newest first" minWidthPx=${380} template="92px minmax(100px, 1fr) minmax(140px, 2fr)"
        head=${html`<${Th}>Received<//><${Th}>Reason<//><${Th}>What<//>`}
        keyOf=${(/** @type {StreamEvent} */ event) => event.id} onOpen=${(/** @type {StreamEvent} */ event) => (openEvent.value = event)}
        onEnd=${() => log.state.value === "ready" && log.older()} rowProps=${(/** @type {StreamEvent} */ event) => ({ "data-type": event.type })}
        cells=${(/** @type {StreamEvent} */ event) => html`
          <${Td} faint><${Clock} at=${event.atMs} /><//>
          <${Td} clip>${event.data.reason}${event.data.count > 1 ? ` × ${event.data.count}` : ""}<//>
          <${Td} clip faint title=${event.data.operation}>${event.data.operation}<//>`}
        empty=${html`<${EmptyLog} log=${log}><p><strong>Nobody was turned away.</strong></p><//>`} />
    <//>
  `;
}
