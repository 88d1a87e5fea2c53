// @ts-check
/** What of the overview is the server's to tell: spend of the day against the pools, refusals, open circuits. */

import { html, useMemo } from "../vendor/ui.js";
import { poolUses } from "./budget/pools.js";
import { zone } from "./choice.js";
import { count, money, percent } from "./format.js";
import { GOVERNOR, useReading } from "./reading.js";
import { link } from "./route.js";
import { now } from "./store.js";
import { Tile } from "./tile.js";
import { toldBy } from "./told.js";

/** Numbers of the archive and of counters: nothing here need be younger. */
const EVERY_MS = 5000;
/** A pool as full as this is worth a colour. */
const FULL = 0.8;

/** When the day began, in the reader's time zone. @param {number} nowMs @param {string} inZone */
function dayBegan(nowMs, inZone) {
  const day = new Date(nowMs);
  if (inZone === "UTC") day.setUTCHours(0, 0, 0, 0);
  else day.setHours(0, 0, 0, 0);
  return day.toISOString();
}

export function HealthTiles() {
  return html`<${SpendTile} /><${RefusalsTile} /><${CircuitsTile} />`;
}

function SpendTile() {
  const since = dayBegan(now.value, zone.value);
  const spend = useReading(`usage?since=${encodeURIComponent(since)}&limit=1`, [], EVERY_MS);
  const pools = useReading("budgets", [], EVERY_MS);
  const fullest = useMemo(() => poolUses(pools.value.value)[0], [pools.value.value]);
  const note = fullest ? `${fullest.name} ${fullest.kind} ${percent(fullest.share)} used` : "no pool has a limit";
  const tone = fullest === undefined || fullest.share < FULL ? "" : fullest.share >= 1 ? "failed" : "timeout";
  return html`<${Tile} name="spend" label="Spend today" href=${link("budget")} note=${toldBy(pools, () => note)} tone=${tone}
    value=${toldBy(spend, ({ groups }) => money(groups[0]?.cost_usd ?? 0))} />`;
}

function RefusalsTile() {
  const stats = useReading(`${GOVERNOR}stats`, [], EVERY_MS);
  const refused = stats.value.value?.refused_count ?? 0;
  return html`<${Tile} name="refusals" label="Refusals" href=${link("governor")} tone=${refused > 0 ? "failed" : ""}
    value=${toldBy(stats, () => count(refused))} note=${toldBy(stats, ({ total_decisions: total }) => `of ${count(total)} ${total === 1 ? "decision" : "decisions"}`)} />`;
}

function CircuitsTile() {
  const breakers = useReading("reflex/breakers", ["circuit_state_changed"], EVERY_MS);
  const all = breakers.value.value?.breakers ?? [];
  const open = all.filter((/** @type {any} */ each) => each.state !== "closed").length;
  return html`<${Tile} name="circuits" label="Open circuits" href=${link("reflex")} tone=${open > 0 ? "failed" : ""}
    value=${toldBy(breakers, () => count(open))} note=${toldBy(breakers, () => (all.length === 0 ? "none ever opened" : `of ${count(all.length)} that ever opened`))} />`;
}
