// @ts-check
/**
 * Checks a bundle in the browser, as docs/verify_bundle.py does: nothing that the server says about
 * it is believed. SHA-256 and Ed25519 are the browser's own.
 */

import { compact, parseExact } from "./exact-json.js";

/**
 * @typedef {object} Found
 * @property {number} proven events that a signed checkpoint holds
 * @property {number} unproven events that no checkpoint covers yet
 * @property {number} erased events whose details were erased
 * @property {string[]} faults what does not hold, each once, with where
 * @property {"checked" | "unable"} signatures whether this browser could check them
 * @property {any[]} events the lines of the events
 * @property {any[]} checkpoints those that were signed by the key that holds
 */

const CHECKPOINT = ["node", "first", "last", "count", "total", "root", "prev_head", "head", "time_unix_nano", "public_key"];
const ROTATION = ["node", "new_public_key", "time_unix_nano", "public_key"];
const UTF8 = new TextEncoder();

/** Whether this page may hash: browsers allow it over TLS and on loopback. */
export const canCheck = () => typeof crypto !== "undefined" && crypto.subtle !== undefined;

/** @param {string} text the bundle @param {(done: number, all: number) => void} [tell] @returns {Promise<Found>} */
export async function checkBundle(text, tell = () => {}) {
  const lines = text.split("\n").filter((line) => line !== "");
  const found = /** @type {Found} */ ({ proven: 0, unproven: 0, erased: 0, faults: [], signatures: "checked", events: [], checkpoints: [] });
  /** @type {Map<string, string>} */
  const keys = new Map();
  /** @type {Map<string, number>} */
  const roots = new Map();
  /** By fault, the lines that have it. @type {Map<string, number[]>} */
  const faults = new Map();
  for (const [at, line] of lines.entries()) {
    const said = parseExact(line);
    let fault = "";
    if (said.kind === "checkpoint" || said.kind === "rotation") fault = await takeStatement(said, keys, roots, found);
    else if (said.kind === "event") fault = await takeEvent(said, roots, found);
    if (fault) faults.set(fault, faults.get(fault) ?? []).get(fault)?.push(at + 1);
    if (at % 200 === 0) tell(at, lines.length);
  }
  tell(lines.length, lines.length);
  if (found.signatures === "unable") found.proven = 0;
  found.faults = [...faults].map(([fault, at]) => `${fault}: line ${at[0]}${at.length > 1 ? ` and ${at.length - 1} more` : ""}`);
  return found;
}

/** What is wrong with it, or "". @param {any} said @param {Map<string, string>} keys @param {Map<string, number>} roots @param {Found} found */
async function takeStatement(said, keys, roots, found) {
  const names = said.kind === "checkpoint" ? CHECKPOINT : ROTATION;
  const title = said.kind === "checkpoint" ? "neurorail-checkpoint" : "neurorail-key-rotation";
  const message = UTF8.encode(compact([title, said.version, ...names.map((name) => said[name])]));
  const key = keys.get(said.node) ?? said.public_key;
  keys.set(said.node, key);
  const signed = said.public_key === key ? await isSigned(key, message, said.signature) : false;
  if (signed === null) found.signatures = "unable";
  if (signed === false) return "a statement is not signed by the key that holds";
  if (said.kind === "rotation") {
    keys.set(said.node, said.new_public_key);
  } else {
    roots.set(`${said.node} ${said.root}`, said.count);
    found.checkpoints.push(said);
  }
  return "";
}

/** What is wrong with it, or "". @param {any} said @param {Map<string, number>} roots @param {Found} found */
async function takeEvent(said, roots, found) {
  const { head, details, proof } = said;
  found.events.push(said);
  if (details === null) found.erased += 1;
  const own = await sha256(unhex(said.prev_hash), UTF8.encode(compact(head)));
  if (hex(own) !== said.hash) return "an event is not what its hash says";
  if (details !== null && hex(await sha256(UTF8.encode(details))) !== head.at(-1)) return "the details are not what their event says";
  if (proof === null) {
    found.unproven += 1;
  } else if (await rootFrom(own, proof) !== proof.root || roots.get(`${head[0]} ${proof.root}`) !== proof.count) {
    return "no signed checkpoint holds the event";
  } else {
    found.proven += 1;
  }
  return "";
}

/** The root that a path leads to (RFC 6962), or "" when it has too few or too many steps. @param {Uint8Array} value @param {{place: number, count: number, path: string[]}} proof */
async function rootFrom(value, proof) {
  let { place, count } = proof;
  const steps = [...proof.path];
  let current = await sha256(Uint8Array.of(0), value);
  while (count > 1) {
    if (place % 2 === 1 || place + 1 < count) {
      const step = steps.shift();
      if (step === undefined) return "";
      current = place % 2 === 1
        ? await sha256(Uint8Array.of(1), unhex(step), current)
        : await sha256(Uint8Array.of(1), current, unhex(step));
    }
    place = Math.floor(place / 2);
    count = Math.floor((count + 1) / 2);
  }
  return steps.length === 0 ? hex(current) : "";
}

/** True, false, or null where the browser knows no Ed25519. @param {string} key @param {Uint8Array<ArrayBuffer>} message @param {string} signature */
async function isSigned(key, message, signature) {
  try {
    const known = await crypto.subtle.importKey("raw", unhex(key), { name: "Ed25519" }, false, ["verify"]);
    return await crypto.subtle.verify({ name: "Ed25519" }, known, unhex(signature), message);
  } catch (failed) {
    if (failed instanceof DOMException && failed.name === "NotSupportedError") return null;
    return false;
  }
}

/** @param {...Uint8Array} parts @returns {Promise<Uint8Array<ArrayBuffer>>} */
async function sha256(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
}

/** @param {string} text @returns {Uint8Array<ArrayBuffer>} */
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** @param {Uint8Array} bytes */
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
