// @ts-check
/** How much telemetry the server takes in: what two readings of its counters are apart. */

import { html, useMemo } from "../vendor/ui.js";
import { time } from "./entity.js";
import { count, perSecond } from "./format.js";
import { useReading } from "./reading.js";
import { link } from "./route.js";
import { Sparkline } from "./sparkline.js";
import { rate, received } from "./store.js";
import { told } from "./told.js";

/** Between two readings. */
const EVERY_MS = 1000;
/** The number is a mean over so long, the line goes back so far. */
const MEAN_MS = 10_000;
const SHOWN_MS = 60_000;

/** @typedef {{atMs: number, items: number}} Sample */

/** Spans, log records and metric points so far, and when. @param {any} snapshot @returns {Sample} */
const sampleOf = ({ timestamp, received: items = {} }) => ({
  atMs: time(timestamp) ?? 0,
  items: Object.values(items).reduce((sum, each) => sum + Number(each), 0),
});

class Ingest {
  constructor() {
    /** @type {Sample[]} oldest first */
    this.samples = [];
  }

  /** @param {Sample} sample */
  add(sample) {
    const last = this.samples.at(-1);
    if (last && sample.atMs <= last.atMs) return;
    // A server that began anew counts from 0.
    if (last && sample.items < last.items) this.samples = [];
    this.samples.push(sample);
    this.samples = this.samples.filter(({ atMs }) => atMs >= sample.atMs - SHOWN_MS);
  }

  /** Items a second over the last moments; null before there are two readings. */
  get perSecond() {
    const last = this.samples.at(-1);
    const first = last && this.samples.find(({ atMs }) => atMs >= last.atMs - MEAN_MS);
    return first && last && first !== last ? between(first, last) : null;
  }

  /** One number between each two readings, oldest first. */
  get series() {
    return this.samples.slice(1).map((sample, at) => between(/** @type {Sample} */ (this.samples[at]), sample));
  }
}

/** @param {Sample} from @param {Sample} to */
const between = (from, to) => ((to.items - from.items) * 1000) / (to.atMs - from.atMs);

export function IngestTile() {
  const reading = useReading("telemetry/snapshot", [], EVERY_MS);
  const ingest = useMemo(() => new Ingest(), []);
  const snapshot = reading.value.value;
  useMemo(() => snapshot && ingest.add(sampleOf(snapshot)), [snapshot]);
  // Of the last five whole seconds.
  const latest = rate.value.slice(-5);
  const events = latest.length ? latest.reduce((sum, each) => sum + each, 0) / latest.length : 0;
  const items = snapshot ? sampleOf(snapshot).items : 0;
  return html`
    <div class="tile tile-rate" data-tile="ingest" data-items=${items}>
      <dt><a href=${link("trace")}>Ingest rate</a></dt>
      <dd class="tile-value" title=${`${count(items)} spans, log records and metric points since this server began`}>${told(ingest.perSecond !== null, reading.problem.value, () => `${perSecond(ingest.perSecond ?? 0)}/s`)}</dd>
      <dd class="tile-note" data-received=${received.value}>${perSecond(events)} events/s · ${count(received.value)} came here</dd>
      <dd class="tile-spark" aria-hidden="true"><${Sparkline} series=${ingest.series} places=${SHOWN_MS / EVERY_MS} /></dd>
    </div>
  `;
}
