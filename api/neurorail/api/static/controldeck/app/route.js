// @ts-check
/** The chosen mission is part of the address, so that it can be linked to and the back key works. */

import { select } from "./store.js";

/** @param {string} missionId @param {string} [entityId] */
export function link(missionId, entityId = "") {
  const query = new URLSearchParams({ mission: missionId });
  if (entityId !== "" && entityId !== missionId) query.set("entity", entityId);
  return `#${query}`;
}

function read() {
  const query = new URLSearchParams(location.hash.slice(1));
  select(query.get("mission") ?? "", query.get("entity") ?? "");
}

export function followAddress() {
  addEventListener("hashchange", read);
  read();
}

export function leave() {
  history.pushState(null, "", location.pathname + location.search);
  select("", "");
}
