// @ts-check

import { count } from "./format.js";

/**
 * What stands for a number: "…" while it is being read, "–" where it could not be read. A zero is one that was counted.
 * @param {boolean} known @param {string} problem why it is not, or "" @param {() => string} text
 */
export const told = (known, problem, text) => (known ? text() : problem === "" ? "…" : "–");

/** What a reading says. @param {{value: {value: any}, problem: {value: string}}} reading @param {(answer: any) => string} text */
export const toldBy = (reading, text) => told(reading.value.value !== null, reading.problem.value, () => text(reading.value.value));

/** How many events a log has. @param {import("./event-log.js").EventLog} log */
export const toldOf = (log) => told(log.state.value === "ready", log.problem.value, () => count(log.total.value));

/** How many of them were read; nothing while none is. @param {import("./event-log.js").EventLog} log */
export const toldRead = (log) => (log.state.value === "ready" ? `${count(log.rows.value.length)} read of ${count(log.total.value)}` : "");
