// @ts-check
/** The burn-down of one limit: what was left of it over time, and when nothing will be. */

import { html, signal, useEffect, useMemo } from "../../vendor/ui.js";
import { useEventLog } from "../event-log.js";
import { count, duration, moment, money, shortId } from "../format.js";
import { Nothing } from "../panel.js";
import { Sheet } from "../sheet.js";
import { events, now } from "../store.js";
import { Legend, TimeChart } from "../time-chart.js";
import { POINTS_MAX, aheadOf, dataOf, someOf, stepsOf, typesFor, usedBy } from "./curve.js";
import { lastsMs } from "./missions.js";
import { atPaceMs } from "./pools.js";
import { poolKey, samplesOf } from "./samples.js";

/**
 * @typedef {import("./missions.js").MissionUse} MissionUse
 * @typedef {import("./pools.js").PoolUse} PoolUse
 * @typedef {import("./curve.js").Point} Point
 */

const ROWS_MAX = 10;
const chosen = signal(/** @type {{mission: string, kind: string, rule: string} | {pool: string} | null} */ (null));

/** @param {MissionUse} use */
export const openMission = (use) => (chosen.value = { mission: use.mission.id, kind: use.kind, rule: use.rule });
/** @param {PoolUse} use */
export const openPool = (use) => (chosen.value = { pool: poolKey(use) });

const close = () => {
  chosen.value = null;
};

/** Stands once beside the lists. @param {{missions: MissionUse[], pools: PoolUse[], atMs: number}} props atMs: when the missions' were read */
export function BurnDownSheet({ missions, pools, atMs }) {
  const which = chosen.value;
  const pool = which && "pool" in which ? pools.find((use) => poolKey(use) === which.pool) : undefined;
  const mission = which && "mission" in which ? missionUse(missions, which) : undefined;
  const title = pool ? html`Burn-down of pool ${pool.name} <span class="faint">${pool.kind}</span>`
    : mission ? html`Burn-down of mission <span class="id">${shortId(mission.mission.id)}</span> <span class="faint">${[mission.kind, mission.rule].filter(Boolean).join(" · ")}</span>`
    : "Burn-down";
  return html`
    <${Sheet} wide open=${which !== null} title=${title} onClose=${close}>
      ${pool && html`<${OfPool} use=${pool} />`}
      ${mission && (mission.kind === "time" ? html`<${OfTime} use=${mission} atMs=${atMs} />` : html`<${OfMission} key=${mission.mission.id + mission.kind} use=${mission} atMs=${atMs} />`)}
      ${!pool && !mission && html`<${Nothing}><p><strong>This limit is not in use any more.</strong></p><//>`}
    <//>
  `;
}

/** A mission that ended has one line a kind, of whatever rule. @param {MissionUse[]} uses @param {{mission: string, kind: string, rule: string}} which */
function missionUse(uses, which) {
  const of = uses.filter((use) => use.mission.id === which.mission && use.kind === which.kind);
  return of.find((use) => use.rule === which.rule) ?? of[0];
}

/** @param {{use: MissionUse, atMs: number}} props */
function OfMission({ use, atMs }) {
  const { mission, kind } = use;
  const log = useEventLog(typesFor(kind), mission.id);
  useEffect(() => {
    // The archive is seconds behind what this page has heard.
    const types = new Set(log.types);
    log.add(events.peek().filter((event) => event.missionId === mission.id && types.has(event.type)), true);
  }, [log]);
  const rows = log.rows.value;
  const whole = log.whole.value;
  const steps = useMemo(() => {
    const uses = rows.map((event) => ({ atMs: event.atMs, used: usedBy(event, mission.id, kind) })).filter(({ used }) => used !== 0);
    const at = Math.max(mission.endedMs ?? atMs, uses[0]?.atMs ?? 0);
    const older = !whole || uses.length > POINTS_MAX - 2;
    const points = stepsOf(uses, { limit: use.limit, consumed: use.used, now: { atMs: at, left: use.leftNumber }, beginMs: older ? null : mission.startedMs ?? mission.createdMs });
    return { points, older };
  }, [rows, whole, atMs, use.used, use.leftNumber, use.limit, mission]);
  if (log.state.value !== "ready") return html`<${Nothing} loading=${log.state.value === "loading"} problem=${log.problem.value} onRetry=${() => log.older()} />`;
  const lasts = mission.endedMs === null ? lastsMs(use, now.value - (mission.startedMs ?? now.value)) : null;
  return html`<${Drawn} kind=${kind} limit=${use.limit} consumed=${use.used} held=${use.held} points=${steps.points} lasts=${lasts} ended=${mission.endedMs !== null} steps
    note=${steps.older ? `Made of the newest ${count(steps.points.length - 1)} events; older ones are not shown.` : ""} />`;
}

/** Time runs evenly: no event is needed. @param {{use: MissionUse, atMs: number}} props */
function OfTime({ use, atMs }) {
  const { mission } = use;
  const at = mission.endedMs ?? atMs;
  const begin = mission.startedMs ?? at - use.used;
  const points = [{ atMs: Math.min(begin, at), left: use.limit }, { atMs: at, left: use.leftNumber }];
  const lasts = mission.endedMs === null ? use.leftNumber : null;
  return html`<${Drawn} kind="time" limit=${use.limit} consumed=${use.used} held=${use.held} points=${points} lasts=${lasts} ended=${mission.endedMs !== null} />`;
}

/** @param {{use: PoolUse}} props */
function OfPool({ use }) {
  return html`<${Drawn} kind=${use.kind} limit=${use.limit} consumed=${use.consumed} held=${use.held} points=${samplesOf(use)} lasts=${atPaceMs(use, now.value)} until=${use.ends ?? Infinity}
    note="A straight line from the window's begin to when this page first read the pool; from then on as it was read." />`;
}

/** How values of a limit are written. @param {string} kind @returns {(value: number) => string} */
const writtenAs = (kind) => (kind.startsWith("cost") ? money : kind.includes("time") ? duration : count);

/**
 * @param {{kind: string, limit: number, consumed: number, held: number, points: Point[], lasts: number | null, until?: number, ended?: boolean, steps?: boolean, note?: string}} props
 *   lasts: milliseconds until nothing is left, until: when the limit renews
 */
function Drawn({ kind, limit, consumed, held, points, lasts, until = Infinity, ended = false, steps = false, note = "" }) {
  const write = writtenAs(kind);
  const ahead = aheadOf(points, lasts, until);
  const last = points.at(-1);
  const left = last?.left ?? 0;
  const renews = until !== Infinity && (lasts === null || now.value + lasts > until);
  const says = ended ? "ended" : left <= 0 || lasts === 0 ? "used up" : renews ? `lasts until it renews at ${moment(until)}` : lasts === null ? "does not run out at this pace" : `used up at ${moment((last?.atMs ?? now.value) + lasts)}, in ${duration(lasts)}`;
  const series = [
    { label: "Left", color: "accent", fill: true, steps },
    { label: "At the pace so far", color: "queued", dash: true },
  ];
  return html`
    <div class="burn-down" data-points=${points.length} data-begin-left=${points[0]?.left} data-left=${left} data-left-at=${last?.atMs} data-ends-left=${ahead.points.at(-1)?.left}>
      <${TimeChart} data=${dataOf(points, ahead.points)} series=${series} label=${`What is left of ${kind} over time: ${write(left)} of ${write(limit)}, ${says}`} value=${write} top=${limit} />
      <${Legend} series=${series.slice(0, ahead.points.length > 0 ? 2 : 1)} />
      <div class="facts-page">
        <dl class="facts">
          <div><dt>Limit</dt><dd>${write(limit)}</dd></div>
          <div><dt>Consumed</dt><dd>${write(consumed)}</dd></div>
          ${held > 0 && html`<div><dt>Held</dt><dd>${write(held)}</dd></div>`}
          <div><dt>Left</dt><dd><b>${write(left)}</b></dd></div>
          <div><dt>Projection</dt><dd>${says}</dd></div>
        </dl>
        ${note && html`<p class="faint">${note}</p>`}
        ${ahead.cut && html`<p class="faint">The projection leads on past the end of the chart.</p>`}
      </div>
      <div class="unseen">
        <table>
          <caption>What was left, and what will be at this pace</caption>
          <thead><tr><th scope="col">Time</th><th scope="col">Left</th></tr></thead>
          <tbody>
            ${someOf(points, ROWS_MAX).map((point, at) => html`<tr key=${at}><th scope="row">${moment(point.atMs)}</th><td>${write(point.left)}</td></tr>`)}
            ${ahead.points.map((point) => html`<tr key="ahead"><th scope="row">${moment(point.atMs)}, projected</th><td>${write(point.left)}</td></tr>`)}
          </tbody>
        </table>
      </div>
    </div>
  `;
}
