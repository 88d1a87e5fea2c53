// @ts-check
/** The lifecycle as it happens, beside what reflexes do about it. */

import { html } from "../../vendor/ui.js";
import { useEventLog } from "../event-log.js";
import { EventTable } from "../lifecycle/event-table.js";

export function Lifecycle() {
  const moves = useEventLog(["state_changed", "transition_rejected"]);
  return html`<${EventTable} log=${moves} name="lifecycle" type="all">Nothing moved yet.<//>`;
}
