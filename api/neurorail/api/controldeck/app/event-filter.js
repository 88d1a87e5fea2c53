// @ts-check
/** Which of the live events are shown: the channels, type, severity, entity and words of the address. */

import { computed, html, signal } from "../vendor/ui.js";
import { Draft } from "./draft.js";
import { LEVELS } from "./entity.js";
import { CHANNELS, concerns, entityFilter, KNOWN_TYPES } from "./events.js";
import { adjust, place } from "./route.js";
import { follow } from "./store.js";

/** @typedef {import("./events.js").StreamEvent} StreamEvent */

const FIELDS = ["channel", "type", "severity", "entity", "id", "q"];
/** The tones of events, as people call them. @type {[string, string][]} */
const SEVERITIES = [["error", "Errors"], ["warning", "Warnings"], ["good", "Successes"], ["info", "Information"]];

/** @param {string} name */
const asked = (name) => (place.value.page === "" ? (place.value.query.get(name) ?? "") : "");

/** What the address asks for; one text, so that another part of the address changes nothing. */
const wish = computed(() => JSON.stringify(FIELDS.map(asked)));

/** Whether anything is left out. */
export const isNarrow = computed(() => wish.value !== JSON.stringify(FIELDS.map(() => "")));

/** Tells whether an event is shown; another function after each change of the filter. */
export const passes = computed(() => {
  const [channel = "", type = "", severity = "", entity = "", id = "", words = ""] = JSON.parse(wish.value);
  const channels = chosen(channel);
  const wanted = words.trim().toLowerCase();
  return (/** @type {StreamEvent} */ event) =>
    (channels.size === 0 || channels.has(event.channel)) && (type === "" || event.type === type) &&
    (severity === "" || event.tone === severity) && (entity === "" || event.entityType === entity) &&
    (id === "" || concerns(event, id)) && (wanted === "" || says(event, wanted));
});

/** One text, so that words and severity, which the server does not look for, change nothing. */
const pastWish = computed(() => {
  const [channel = "", type = "", , , id = ""] = JSON.parse(wish.value);
  const channels = [...chosen(channel)];
  return JSON.stringify({ types: type ? [type] : [], filter: { ...(channels.length === 1 ? { channel: channels[0] } : {}), ...entityFilter(id) } });
});

/** What of the filter the server applies to the past. */
export const pastFilter = computed(() => /** @type {{types: string[], filter: Record<string, string>}} */ (JSON.parse(pastWish.value)));

/** @param {StreamEvent} event @param {string} wanted in lower case */
const says = (event, wanted) => [event.type, event.text, event.entityId, event.missionId].some((text) => text.toLowerCase().includes(wanted));

/** None means all of them. @param {string} text of the address */
const chosen = (text) => new Set(text.split(",").filter((name) => CHANNELS.includes(name)));

/** Types of which an event came, besides those that the page has words for. */
const seen = signal(new Set(KNOWN_TYPES));
follow((fresh) => {
  const more = fresh.filter((event) => !seen.value.has(event.type));
  if (more.length > 0) seen.value = new Set([...seen.value, ...more.map((event) => event.type)]);
});

export const clearFilter = () => adjust(Object.fromEntries(FIELDS.map((name) => [name, ""])));

/** From all, a chip shows its channel alone; after that chips add and take away. @param {string} channel */
function toggle(channel) {
  const next = chosen(asked("channel"));
  if (channel === "all") next.clear();
  else if (!next.delete(channel)) next.add(channel);
  adjust({ channel: next.size === CHANNELS.length ? "" : [...next].join(",") });
}

export function EventFilter() {
  const channels = chosen(asked("channel"));
  const all = channels.size === 0;
  const types = asked("type") === "" || seen.value.has(asked("type")) ? [...seen.value] : [...seen.value, asked("type")];
  return html`
    <div class="filters">
      <div class="chips" role="group" aria-label="Channels" data-all=${all}>
        <${Chip} channel="all" on=${all} />
        ${CHANNELS.map((name) => html`<${Chip} key=${name} channel=${name} on=${channels.has(name)} />`)}
      </div>
      <input type="search" aria-label="Search events" placeholder="Words or id" spellcheck="false" value=${asked("q")} onInput=${set("q")} />
      <${Choice} label="Severity" name="severity" any="Any severity" options=${SEVERITIES} />
      <${Choice} label="Event type" name="type" any="Any type" options=${types.sort().map((name) => [name, name])} />
      <${Choice} label="Type of entity" name="entity" any="Any entity" options=${LEVELS.map((name) => [name, `${name}s`])} />
      <${Draft} aria-label="Entity id" placeholder="Id of an entity" value=${asked("id")} onDone=${(/** @type {string} */ id) => adjust({ id: id.trim() })} />
    </div>
  `;
}

/** @param {string} name */
const set = (name) => (/** @type {any} */ event) => adjust({ [name]: name === "q" ? event.target.value : event.target.value.trim() });

/** @param {{channel: string, on: boolean}} props */
function Chip({ channel, on }) {
  return html`
    <button type="button" class="chip" data-channel=${channel} aria-pressed=${on} onClick=${() => toggle(channel)}>
      ${channel}
    </button>
  `;
}

/** @param {{label: string, name: string, any: string, options: [string, string][]}} props */
function Choice({ label, name, any, options }) {
  return html`
    <select aria-label=${label} value=${asked(name)} onChange=${set(name)} data-on=${asked(name) !== ""}>
      <option value="">${any}</option>
      ${options.map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}
    </select>
  `;
}
