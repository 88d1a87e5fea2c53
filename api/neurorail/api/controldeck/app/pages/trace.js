// @ts-check
/** The trace explorer: find missions, look into one, compare two. */

import { html } from "../../vendor/ui.js";
import { Compare } from "../trace/compare.js";
import { Find } from "../trace/find.js";
import { Mission } from "../trace/mission.js";
import { place } from "../route.js";

export function Trace() {
  const { query } = place.value;
  const mission = query.get("mission") ?? "";
  const other = query.get("compare") ?? "";
  if (mission === "") return html`<${Find} />`;
  if (other !== "") return html`<${Compare} ids=${[mission, other]} />`;
  return html`<${Mission} key=${mission} id=${mission} focus=${query.get("entity") ?? ""} />`;
}
