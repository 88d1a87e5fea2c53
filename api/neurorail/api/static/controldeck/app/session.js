// @ts-check
/** Who reads these pages. The key stays in this tab's storage and goes nowhere but to this server. */

import { signal } from "../vendor/ui.js";

/** @typedef {{principal: string, tenant: string, role: string | null, permissions: string[], expires_at: string | null}} Who */

const KEY = "controldeck.key";
const WHOAMI = new URL("../../api/neurorail/v1/rbac/whoami", import.meta.url);
const RETRY_MS = 2000;

/** "asking" until the server said who this is; "out" when it wants a key. */
export const session = signal(/** @type {"asking" | "in" | "out"} */ ("asking"));
export const who = signal(/** @type {Who | null} */ (null));
/** Why the key did not do, or "". */
export const refusal = signal("");

let key = read();

function read() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return ""; // Storage may be forbidden: the key then lives as long as the page.
  }
}

/** @returns {string} the key, or "" on a server that is open */
export const heldKey = () => key;

/** @returns {Record<string, string>} what a request carries */
export const credentials = () => (key === "" ? {} : { authorization: `Bearer ${key}` });

/** What a channel needs besides `stream:events`. @type {Record<string, string>} */
const CHANNELS = {
  audit: "read:audit", lifecycle: "read:lifecycle", metrics: "read:metrics",
  reflex: "read:lifecycle", governor: "read:lifecycle", enforcement: "read:lifecycle",
};

/** The channels that permissions open; none means every one. @param {string[]} permissions */
export function channelsFor(permissions) {
  const open = Object.keys(CHANNELS).filter((name) => permissions.includes(CHANNELS[name] ?? ""));
  return open.length === Object.keys(CHANNELS).length ? [] : open;
}

/** @param {string} permission */
export const may = (permission) => who.value?.permissions.includes(permission) ?? false;

/** @param {string} text */
function hold(text) {
  key = text;
  try {
    if (text === "") sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, text);
  } catch {
    // Held in memory then.
  }
}

/** Asks the server who the key is, until it answers. @returns {Promise<void>} */
export async function identify() {
  const answer = await fetch(WHOAMI, { headers: { accept: "application/json", ...credentials() } }).catch(() => null);
  if (answer === null || answer.status >= 500) {
    await new Promise((done) => setTimeout(done, RETRY_MS));
    return identify();
  }
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) {
    who.value = body;
    session.value = "in";
    refusal.value = "";
    return;
  }
  if (key !== "") refusal.value = body.detail ?? `the server answered ${answer.status}`;
  hold("");
  session.value = "out";
}

/** @param {string} text */
export async function signIn(text) {
  hold(text.trim());
  await identify();
}

/** The server does not take the key any more, or the reader leaves. @param {string} [reason] */
export function signOut(reason = "") {
  hold("");
  refusal.value = reason;
  who.value = null;
  session.value = "out";
}
