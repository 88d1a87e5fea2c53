// @ts-check
/** The overview: is everything well, what runs, what happens at this moment. */

import { html } from "../../vendor/ui.js";
import { ENTITY_COLUMNS, Export } from "../export.js";
import { LiveEvents } from "../live-events.js";
import { MissionList } from "../mission-list.js";
import { link } from "../route.js";
import { missions } from "../store.js";
import { Tiles } from "../tiles.js";

export function Main() {
  const rows = missions.value;
  return html`
    <${Tiles} />
    <div class="columns">
      <section class="panel missions" data-panel="missions" aria-labelledby="missions-title">
        <div class="panel-head">
          <h2 id="missions-title">Missions</h2>
          <span class="panel-note">${rows.length} newest</span>
          <a class="button" href=${link("trace")}>Search</a>
          <${Export} name="missions" rows=${rows} columns=${ENTITY_COLUMNS} />
        </div>
        <${MissionList} rows=${rows} />
      </section>
      <${LiveEvents} />
    </div>
  `;
}
