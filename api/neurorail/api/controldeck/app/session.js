// @ts-check
/** Who reads these pages. A key is shown to the server once; after that a cookie stands for it that no script can read. */

import { signal } from "../vendor/ui.js";
import { HOME } from "./home.js";

/** @typedef {{principal: string, tenant: string, role: string | null, permissions: string[], expires_at: string | null}} Who */

/** What a session writes has to repeat; all tabs of the browser share the session, and so this. */
const TOKEN = "controldeck.token";
const API = new URL("../api/neurorail/v1/", HOME);
const RETRY_MS = 2000;
/** How long a session that another page begins mostly takes. */
const SETTLE_MS = 1500;
/** Everybody on a server that is open. */
const NOBODY = "anonymous";
/** Why somebody came back from the provider without a session. @type {Record<string, string>} */
const REFUSED = {
  denied: "the provider did not let you in, or you left its page",
  expired: "signing in took too long, or was not begun in this browser: try again",
  foreign: "the provider's answer was not to this browser's question: try again",
  provider: "the provider cannot be reached, or did not accept this server: tell whoever runs it",
  token: "the provider's token is not one that this server believes: tell whoever runs it",
  role: "you are known, but have no role here: ask for one at the provider",
};

/** "asking" until the server said who this is; "out" when it wants a key. */
export const session = signal(/** @type {"asking" | "in" | "out"} */ ("asking"));
export const who = signal(/** @type {Who | null} */ (null));
/** Why the key did not do, or why the session ended, or "". */
export const refusal = signal("");
/** A session ended that nobody here ended. */
export const ended = signal(false);

let token = read();
let asking = 0;
let beginning = 0;

function read() {
  try {
    return localStorage.getItem(TOKEN) ?? "";
  } catch {
    return ""; // Storage may be forbidden: this tab then has to sign in again to act.
  }
}

/** @param {string} text */
function hold(text) {
  token = text;
  try {
    if (text === "") localStorage.removeItem(TOKEN);
    else localStorage.setItem(TOKEN, text);
  } catch {
    // Held in memory then.
  }
}

/** Whether somebody signed in; on a server that is open nobody has to. */
export const signedIn = () => token !== "";

/** Which session a request is of: what was refused before a session began says nothing of it. */
export const current = () => token;

/** @returns {Record<string, string>} what a request that writes carries */
export const writing = () => (token === "" ? {} : { "x-csrf-token": token });

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

/** @param {Who} body */
function enter(body) {
  who.value = body;
  refusal.value = "";
  ended.value = false;
  session.value = "in";
}

/** Asks the server who this is, until it answers. @returns {Promise<void>} */
export async function identify() {
  const answer = await fetch(new URL("rbac/whoami", API), { headers: { accept: "application/json" } }).catch(() => null);
  if (answer === null || answer.status >= 500) {
    await new Promise((done) => setTimeout(done, RETRY_MS));
    return identify();
  }
  if (!answer.ok) return token === "" ? leave(refusedAtProvider()) : endSession((await answer.json().catch(() => ({}))).detail ?? "");
  const body = await answer.json();
  // Who signed in by redirect has the cookie, and asks here for what writes repeat.
  if (token === "" && body.principal !== NOBODY) {
    const held = await fetch(new URL("session", API), { headers: { accept: "application/json" } }).catch(() => null);
    if (held?.ok) hold((await held.json()).csrf_token);
  }
  enter(body);
}

/** Why the provider's answer did not do, from the address that it led back to; the address forgets it. */
function refusedAtProvider() {
  const reason = /^#refused=([a-z]+)$/.exec(location.hash)?.[1];
  if (reason === undefined) return "";
  history.replaceState(null, "", location.pathname + location.search);
  return REFUSED[reason] ?? "signing in did not succeed";
}

/** How people sign in here. @returns {Promise<{oidc: {name: string} | null}>} */
export async function signInMethods() {
  const answer = await fetch(new URL("session/methods", API), { headers: { accept: "application/json" } }).catch(() => null);
  return answer?.ok ? answer.json() : { oidc: null };
}

/** Leads to the provider, and back to the page that is open. @param {string} backTo */
export const signInAddress = (backTo) => new URL(`session/oidc/start?${new URLSearchParams({ back_to: backTo })}`, API).href;

/** Begins a session with a key, or a token of the identity provider. @param {string} key */
export async function signIn(key) {
  const answer = await fetch(new URL("session", API), {
    method: "POST", headers: { accept: "application/json", authorization: `Bearer ${key.trim()}` },
  }).catch(() => null);
  if (answer === null) {
    refusal.value = "the server cannot be reached";
    return;
  }
  const body = await answer.json().catch(() => ({}));
  if (answer.status === 409) return identify();
  if (!answer.ok) return leave(body.detail ?? `the server answered ${answer.status}`);
  hold(body.csrf_token);
  enter(body);
}

/** Shows the sign-in again to somebody who was in: over whatever is open, which comes back. @param {string} reason the server's */
export function endSession(reason) {
  leave(reason);
  ended.value = true;
}

/** Shows the sign-in. @param {string} reason */
function leave(reason) {
  hold("");
  ended.value = false;
  refusal.value = reason;
  who.value = null;
  session.value = "out";
}

/**
 * A request was refused for want of a credential. On a server that was open this is the first key's
 * doing, and whoever made it is just beginning a session: the server is asked again before anybody
 * has to sign in. @param {string} reason @param {string} sent the session it was of
 */
export function turnedAway(reason, sent) {
  if (sent !== token) return;
  if (who.value?.principal !== NOBODY) endSession(reason);
  else if (asking === 0) askSoon();
}

/** Asks the server who this is, but not before a session that is being begun has begun. */
function askSoon() {
  asking = setTimeout(() => {
    if (beginning > 0) askSoon();
    else void identify().finally(() => (asking = 0));
  }, SETTLE_MS);
}

/** Does what closes an open server and begins a session on it; who is refused meanwhile waits. @param {() => Promise<void>} work */
export async function beginSession(work) {
  beginning += 1;
  await work().finally(() => (beginning -= 1));
}

/** Ends the session, in every tab. */
export async function signOut() {
  const answer = await fetch(new URL("session/end", API), { method: "POST", headers: writing() }).catch(() => null);
  const told = answer?.ok ? await answer.json() : {};
  leave("");
  if (told.logout_url) location.assign(told.logout_url);
}

// Who signs out in one tab, or signs in, does so in all of them.
addEventListener("storage", (event) => {
  if (event.key !== TOKEN) return;
  token = event.newValue ?? "";
  if (token === "") leave("");
  else void identify();
});
