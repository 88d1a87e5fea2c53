// @ts-check
/** The keys of a tenant, without the keys themselves. */

import { html, useSignal } from "../../vendor/ui.js";
import { post } from "../api.js";
import { time } from "../entity.js";
import { Export } from "../export.js";
import { ago } from "../format.js";
import { Nothing, Panel } from "../panel.js";
import { now } from "../store.js";
import { Td, Th, VirtualList } from "../virtual.js";

/** @type {import("../export.js").Columns<any>} */
const COLUMNS = Object.fromEntries(
  ["key_id", "prefix", "name", "tenant", "role", "permissions", "agent", "missions", "tags", "rate_per_s", "created_at", "created_by", "expires_at", "revoked_at", "last_used_at"]
    .map((name) => [name, (/** @type {any} */ key) => key[name]]),
);

/** @param {any} key @param {number} nowMs */
function stateOf(key, nowMs) {
  if (key.revoked_at) return "revoked";
  return key.expires_at && (time(key.expires_at) ?? Infinity) < nowMs ? "expired" : "valid";
}

/** @param {{keys: any[] | null, problem: string, onRead: () => void, onNew: () => void}} props */
export function Keys({ keys, problem, onRead, onNew }) {
  const asked = useSignal("");
  const failed = useSignal("");

  /** @param {string} id */
  async function revoke(id) {
    asked.value = "";
    await post(`rbac/keys/${encodeURIComponent(id)}/revoke`).then(() => (failed.value = ""), (error) => (failed.value = error.message));
    onRead();
  }
  const rows = keys ?? [];
  return html`
    <${Panel} name="keys" title="Keys" note=${rows.length || ""}
      tools=${html`<button type="button" class="primary" onClick=${onNew}>New key</button><${Export} name="keys" rows=${rows} columns=${COLUMNS} />`}>
      ${failed.value && html`<p class="strip" role="alert">${failed.value}</p>`}
      <${VirtualList} rows=${rows} rowPx=${38} label="Keys, oldest first" minWidthPx=${584} template="104px minmax(90px, 1.2fr) minmax(80px, 1fr) 52px 62px 128px"
        head=${html`<${Th}>Key<//><${Th}>Name<//><${Th}>May<//><${Th}>Used<//><${Th}>State<//><${Th}><span class="unseen">Actions</span><//>`}
        keyOf=${(/** @type {any} */ key) => key.key_id} rowProps=${(/** @type {any} */ key) => ({ "data-key": key.key_id, "data-key-state": stateOf(key, now.value) })}
        cells=${(/** @type {any} */ key) => html`
          <${Td}><span class="id">${key.prefix}</span><//>
          <${Td} clip>${key.name || "–"}<//>
          <${Td} clip title=${key.permissions.join(", ")}>${key.agent ? "agent" : (key.role ?? `${key.permissions.length} permissions`)}<//>
          <${Td} faint>${key.last_used_at ? ago(time(key.last_used_at) ?? 0, now.value) : "never"}<//>
          <${Td}>${stateOf(key, now.value)}<//>
          <${Td} number>${stateOf(key, now.value) === "valid" && (asked.value === key.key_id
            ? html`<span class="confirm"><button type="button" class="danger" onClick=${() => revoke(key.key_id)}>Revoke</button><button type="button" onClick=${() => (asked.value = "")}>Keep</button></span>`
            : html`<button type="button" onClick=${() => (asked.value = key.key_id)} aria-label=${`Revoke ${key.name || key.prefix}`}>Revoke…</button>`)}<//>`}
        empty=${html`<${Nothing} loading=${keys === null && problem === ""} problem=${problem} onRetry=${onRead}>
          <p><strong>No key yet.</strong></p><p>The first key closes the server: from then on every request needs one. Make an admin key first, and keep it.</p><//>`} />
    <//>
  `;
}
