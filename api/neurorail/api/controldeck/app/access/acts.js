// @ts-check
/** Who did what: what people and their programs changed, newest first. */

import { html, signal, useEffect, useMemo } from "../../vendor/ui.js";
import { getEvents } from "../api.js";
import { Clock } from "../badge.js";
import { openEvent } from "../event-sheet.js";
import { readRow } from "../event-log.js";
import { EVENT_COLUMNS, Export } from "../export.js";
import { inTurn } from "../in-turn.js";
import { Nothing, Panel } from "../panel.js";
import { signedIn } from "../session.js";
import { follow } from "../store.js";
import { Td, Th, VirtualList } from "../virtual.js";

/** @typedef {import("../events.js").StreamEvent & {who: string}} Act */

/** Acts of each type that are read at a time. */
const EACH = 100;
const AGAIN_MS = 400;
const TYPES = [
  "key_created", "key_revoked", "audit_logged", "budget_changed", "confirmation_resolved",
  "reflex_action_executed", "override_used", "manifest_created", "manifest_shadowed",
  "manifest_activated", "manifest_retired", "rerun_started", "data_erased", "audit_retained",
  "audit_key_rotated",
];

/** @type {import("../export.js").Columns<Act>} */
const COLUMNS = { ...EVENT_COLUMNS, principal: (act) => act.who };

/** What a rule did, and what no answer meant, is no act of anybody. @param {any} row */
const isAct = ({ event_type: type, details }) =>
  !(type === "reflex_action_executed" && details.rule) &&
  !(type === "confirmation_resolved" && details.reason === "nobody answered in time");

/** A page of each type that has more. @param {Map<string, string>} cursors by type; "" is the newest page @returns {Promise<{acts: Act[], cursors: Map<string, string>}>} */
async function read(cursors) {
  const asked = [...cursors];
  const answers = await Promise.all(asked.map(([type, cursor]) => getEvents({ event_type: type, cursor, limit: EACH, counted: "false" })));
  const acts = answers.flatMap((answer) => answer.events).filter(isAct).map((row) => ({ ...readRow(row), who: row.principal }));
  const next = /** @type {[string, string][]} */ (asked.map(([type], at) => [type, answers[at].next_cursor]).filter(([, cursor]) => cursor !== null));
  return { acts, cursors: new Map(next) };
}

/** What people did, as far back as it was read. */
class ActLog {
  constructor() {
    this.rows = signal(/** @type {Act[] | null} */ (null));
    this.problem = signal("");
    /** @type {Map<string, string> | null} null before the first page */
    this.older = null;
    this.read = inTurn((newest) => this.fetch(newest));
  }

  /** @param {boolean} newest the newest page again, or one that is further back */
  async fetch(newest) {
    if (!newest && !this.older?.size) return;
    try {
      const { acts, cursors } = await read(newest ? new Map(TYPES.map((type) => [type, ""])) : (this.older ?? new Map()));
      if (!newest || this.older === null) this.older = cursors;
      const known = new Map([...(this.rows.value ?? []), ...acts].map((act) => [act.id, act]));
      this.rows.value = [...known.values()].sort((a, b) => b.atMs - a.atMs);
      this.problem.value = "";
    } catch (failed) {
      this.problem.value = failed instanceof Error ? failed.message : String(failed);
    }
  }
}

/** @param {{keys: any[] | null}} props the keys, to name them, if they may be read */
export function Acts({ keys }) {
  const names = new Map((keys ?? []).map((key) => [`key:${key.key_id}`, key.name]));
  const log = useMemo(() => new ActLog(), []);
  const inSession = signedIn();
  useEffect(() => {
    void log.read(true);
    // Live events do not say who it was: what is new is read again, once for all of a burst.
    let timer = 0;
    // The first key closes an open server: then there is nothing to read before a session began.
    const types = new Set(TYPES.filter((type) => inSession || type !== "key_created"));
    const end = follow((fresh) => {
      if (timer || !fresh.some((event) => types.has(event.type))) return;
      timer = setTimeout(() => {
        timer = 0;
        void log.read(true);
      }, AGAIN_MS);
    });
    return () => {
      end();
      clearTimeout(timer);
    };
  }, [inSession]);

  const found = log.rows.value ?? [];
  const problem = log.problem.value;
  return html`
    <${Panel} name="acts" title="Who did what" note=${found.length || ""}
      tools=${html`<${Export} name="acts" rows=${found} columns=${COLUMNS} />`}>
      <${VirtualList} rows=${found} rowPx=${34} label="Acts, newest first" minWidthPx=${520} template="92px minmax(110px, 1fr) minmax(130px, 1fr) minmax(160px, 2.4fr)"
        head=${html`<${Th}>Received<//><${Th}>Who<//><${Th}>Did<//><${Th}>What<//>`}
        keyOf=${(/** @type {Act} */ act) => act.id} onOpen=${(/** @type {Act} */ act) => (openEvent.value = act)} onEnd=${() => log.read(false)}
        rowProps=${(/** @type {Act} */ act) => ({ "data-type": act.type })}
        cells=${(/** @type {Act} */ act) => html`
          <${Td} faint><${Clock} at=${act.atMs} /><//>
          <${Td} clip title=${act.who}>${names.get(act.who) || act.who || "–"}<//>
          <${Td} clip>${act.type.replaceAll("_", " ")}<//>
          <${Td} clip faint title=${act.text}>${act.text}<//>`}
        empty=${html`<${Nothing} loading=${log.rows.value === null && problem === ""} problem=${problem} onRetry=${() => log.read(true)}>
          <p><strong>Nobody changed anything.</strong></p><p>Keys, manifests, budgets, reflexes by hand and answers to questions will be here.</p><//>`} />
    <//>
  `;
}
