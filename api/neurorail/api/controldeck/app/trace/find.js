// @ts-check
/** Finds missions by id, agent, tag, state, cost and time. */

import { computed, html, signal, useEffect, useSignal } from "../../vendor/ui.js";
import { getTrace } from "../api.js";
import { Draft } from "../draft.js";
import { LEVELS, STATES } from "../entity.js";
import { ENTITY_COLUMNS, Export } from "../export.js";
import { count } from "../format.js";
import { MissionList } from "../mission-list.js";
import { Nothing } from "../panel.js";
import { adjust, go, link, place, traceLink } from "../route.js";
import { codes, missions, MISSIONS_FEW, MISSIONS_MAX, missionsWanted, now, refresh } from "../store.js";
import { useEveryMission } from "./every-mission.js";
import { Past } from "./past.js";

/** @typedef {import("../entity.js").Entity} Entity */

const SORTS = {
  newest: { text: "Newest first", by: (/** @type {Entity} */ row) => row.createdMs ?? row.startedMs ?? 0 },
  cost: { text: "Most expensive first", by: (/** @type {Entity} */ row) => row.costUsd },
  tokens: { text: "Most tokens first", by: (/** @type {Entity} */ row) => row.inputTokens + row.outputTokens },
  duration: { text: "Longest first", by: (/** @type {Entity} */ row) => (row.startedMs === null ? 0 : (row.endedMs ?? now.peek()) - row.startedMs) },
  retries: { text: "Most retries first", by: (/** @type {Entity} */ row) => row.retries },
};
/** Minutes; pairs, not an object: that would put the numbers first. */
const TIMES = [["", "Any time"], ["5", "Last 5 minutes"], ["60", "Last hour"], ["1440", "Last day"]];

/** Ids of the missions that are to be compared. */
const picked = signal(/** @type {Set<string>} */ (new Set()));

/** @param {string} name */
const asked = (name) => place.value.query.get(name) ?? "";

const past = new Past();
const wholePast = computed(() => asked("model") !== "" || asked("all") !== "");
/** What nothing narrows is a list of known length, of which any part can be read. */
const countedPast = computed(() => wholePast.value && ["q", "state", "cost", "minutes", "model"].every((name) => asked(name) === "") && ["", "newest"].includes(asked("sort")));

const found = computed(() => {
  const words = asked("q").toLowerCase().split(/\s+/).filter(Boolean);
  const state = asked("state");
  const least = Number(asked("cost")) || 0;
  const minutes = Number(asked("minutes")) || 0;
  const since = minutes > 0 ? now.value - minutes * 60_000 : 0;
  const rows = (wholePast.value ? (past.rows.value ?? []) : missions.value).filter((row) =>
    (state === "" || (state === "violated" ? (codes.value.get(row.id) ?? []).length > 0 || row.flags.includes("over_budget") : row.state === state)) &&
    row.costUsd >= least && (row.createdMs ?? row.startedMs ?? 0) >= since && words.every((word) => text(row).includes(word)),
  );
  const sort = SORTS[/** @type {keyof typeof SORTS} */ (asked("sort"))];
  return sort ? rows.sort((a, b) => sort.by(b) - sort.by(a)) : rows;
});

/** @param {Entity} row */
function text(row) {
  const tags = Object.entries(row.tags).map(([key, value]) => `${key}=${value}`).join(" ");
  return `${row.id} ${row.agent} ${row.service} ${row.errorCode} ${row.flags.join(" ")} ${tags}`.toLowerCase();
}

export function Find() {
  useEffect(() => {
    missionsWanted.value = MISSIONS_MAX;
    refresh();
    return () => {
      missionsWanted.value = MISSIONS_FEW;
    };
  }, []);
  const counted = countedPast.value;
  const { range, rows: every } = useEveryMission(counted);
  const rows = every ?? found.value;
  const first = useSignal(0);
  const beyond = wholePast.value;
  const model = asked("model");
  useEffect(() => {
    if (beyond && !counted) past.ask({ model });
  }, [beyond, counted, model]);

  const { problem, loading, again } = range
    ? { problem: range.problem.value, loading: range.state.value === "loading", again: () => (range.state.value === "failed" ? range.again() : void range.fill()) }
    : { problem: past.problem.value, loading: past.rows.value === null && past.problem.value === "", again: () => past.again() };

  /** @param {number} row the first in sight */
  function scrolled(row) {
    first.value = row;
    range?.hold(row > 0);
  }

  return html`
    <section class="panel whole" data-panel="missions" aria-labelledby="missions-title">
      <div class="panel-head">
        <h2 id="missions-title">Missions</h2>
        <span class="panel-note" data-count=${rows.length} data-held=${range?.held}>${beyond ? html`<${Position} at=${first.value} total=${rows.length} counted=${counted || !past.open} />` : `${rows.length} of ${missions.value.length}${missions.value.length >= MISSIONS_MAX ? " newest" : ""}`}</span>
        <${CompareButton} />
        <${Export} name="missions" rows=${rows} columns=${ENTITY_COLUMNS} />
      </div>
      <${Filters} />
      ${beyond && problem && rows.length > 0 && html`<div class="strip" role="alert"><span class="bad">${problem}</span><button type="button" onClick=${again}>Try again</button></div>`}
      <${MissionList} rows=${rows} wide chosen=${picked.value} onChoose=${pick} onEnd=${beyond && !counted ? () => past.more() : undefined}
        onLook=${range ? (/** @type {number} */ from, /** @type {number} */ to) => range.look(from, to) : undefined} onFirst=${scrolled}
        empty=${beyond ? html`<${Nothing} loading=${loading} problem=${problem} onRetry=${again}><p><strong>No mission matches.</strong></p><//>` : asked("q") === "" ? undefined : html`<${Elsewhere} id=${asked("q").trim()} />`} />
    </section>
  `;
}

/** Where the reader is. @param {{at: number, total: number, counted: boolean}} props */
const Position = ({ at, total, counted }) =>
  html`${total > 0 && `${count(Math.min(at + 1, total))} of `}${count(total)}${counted ? "" : " read, more below"}`;

/** @param {string} id */
function pick(id) {
  const next = new Set(picked.value);
  if (!next.delete(id)) next.add(id);
  // The third takes the place of the first.
  if (next.size > 2) next.delete([...next][0] ?? "");
  picked.value = next;
}

function CompareButton() {
  const [a, b] = picked.value;
  return html`
    <button type="button" disabled=${!a || !b} title=${a && b ? "" : "Tick two missions"} onClick=${() => a && b && go(link("trace", { mission: a, compare: b }))}>
      Compare${picked.value.size > 0 ? ` ${picked.value.size}/2` : ""}
    </button>
  `;
}

function Filters() {
  /** @param {string} name */
  const set = (name) => (/** @type {any} */ event) => adjust({ [name]: event.target.value });
  return html`
    <div class="filters">
      <input type="search" class="search" aria-label="Search missions" placeholder="Id, agent, service, tag=value or code" spellcheck="false"
        value=${asked("q")} onInput=${set("q")} />
      <div class="chips" role="group" aria-label="States">
        ${["", ...STATES, "violated"].map((state) => html`
          <button type="button" class="chip" key=${state} data-state=${state || "any"} aria-pressed=${asked("state") === state}
            onClick=${() => adjust({ state })}>${state || "any state"}</button>`)}
      </div>
      <select aria-label="Begun" value=${asked("minutes")} onChange=${set("minutes")}>
        ${TIMES.map(([value, name]) => html`<option key=${value} value=${value}>${name}</option>`)}
      </select>
      <${Draft} class="model" aria-label="Model" placeholder="Model" value=${asked("model")} onDone=${(/** @type {string} */ model) => adjust({ model })} />
      <label class="field"><input type="checkbox" checked=${asked("all") !== ""} onChange=${(/** @type {any} */ event) => adjust({ all: event.target.checked ? "1" : "" })} /> all there ever were</label>
      <label class="field">at least $<input type="number" min="0" step="0.01" aria-label="Least cost in US dollars" value=${asked("cost")} onInput=${set("cost")} /></label>
      <select aria-label="Order" value=${asked("sort") || "newest"} onChange=${set("sort")}>
        ${Object.entries(SORTS).map(([value, sort]) => html`<option key=${value} value=${value}>${sort.text}</option>`)}
      </select>
    </div>
  `;
}

/** An id that is not among the newest missions may still be known to the server. @param {{id: string}} props */
function Elsewhere({ id }) {
  const state = useSignal("");
  const level = LEVELS.find((name) => id.startsWith(`${name[0]}_`));
  useEffect(() => {
    state.value = "";
    if (!level) return;
    let current = true;
    getTrace(level, id).then(
      (trace) => current && (state.value = trace.mission?.entity_id ?? "none"),
      () => current && (state.value = "none"),
    );
    return () => {
      current = false;
    };
  }, [id]);
  const mission = state.value;
  return html`
    <div class="nothing" data-lookup=${mission}>
      <p><strong>No mission among the newest matches.</strong></p>
      ${level && mission === "" && html`<p role="status">Looking for ${id}…</p>`}
      ${mission !== "" && mission !== "none" && html`<p>${id} belongs to an older mission. <a class="plain" href=${traceLink(mission, id)}>Open its trace</a></p>`}
      ${mission === "none" && html`<p>The server does not know ${id}.</p>`}
    </div>
  `;
}
