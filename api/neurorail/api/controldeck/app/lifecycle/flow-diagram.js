// @ts-check
/** The lifecycle's table as a picture: states with their counts, transitions with their rates. */

import { html } from "../../vendor/ui.js";
import { STATES } from "../entity.js";
import { edgeKey } from "../flow.js";
import { count } from "../format.js";

const W = 132;
const H = 50;
/** @type {Record<string, [number, number]>} left and top of each state's box */
const AT = {
  pending: [48, 116], queued: [248, 116], running: [448, 116],
  succeeded: [690, 6], failed: [690, 79], timeout: [690, 152], cancelled: [690, 225],
};
/** @type {{name: string, from: string, to: string, path: string, label: [number, number], beneath?: boolean}[]} `beneath`: the rate stands below the line */
const EDGES = [
  { name: "create", from: "", to: "pending", path: "M-18 141H44", label: [13, 132], beneath: true },
  { name: "enqueue", from: "pending", to: "queued", path: "M180 141H244", label: [212, 132], beneath: true },
  { name: "start", from: "queued", to: "running", path: "M380 141H444", label: [412, 132], beneath: true },
  { name: "succeed", from: "running", to: "succeeded", path: "M580 126C640 126 626 31 686 31", label: [640, 52] },
  { name: "fail", from: "running", to: "failed", path: "M580 136C640 136 626 104 686 104", label: [650, 98] },
  { name: "timeout", from: "running", to: "timeout", path: "M580 146C640 146 626 177 686 177", label: [650, 160] },
  { name: "cancel", from: "running", to: "cancelled", path: "M580 156C640 156 626 242 686 242", label: [640, 222] },
  { name: "cancel", from: "queued", to: "cancelled", path: "M314 166C330 252 420 252 686 252", label: [436, 242] },
  { name: "cancel", from: "pending", to: "cancelled", path: "M114 166C136 268 250 264 686 262", label: [230, 256] },
];

/** @param {{type: string, say: (state: string) => string, rates: Map<string, number>}} props `say`: how many are in a state */
export function FlowDiagram({ type, say, rates }) {
  const moves = EDGES.map((edge) => ({ ...edge, rate: rates.get(edgeKey(type, edge.from, edge.to)) ?? 0 }));
  const most = Math.max(1, ...moves.map((edge) => edge.rate));
  const says = moves.filter((edge) => edge.rate > 0).map((edge) => `${edge.rate} ${edge.name}`).join(", ");
  return html`
    <div class="flow-box">
      <svg class="flow-diagram" viewBox="-24 0 852 284" role="img" aria-label=${`State flow: ${says || "nothing moved in the last minute"}`}>
        <defs>
          <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0.500L7.500 4L0 7.500z" /></marker>
        </defs>
        ${moves.map((edge) => html`
          <g key=${edge.from + edge.to} class="edge" data-edge=${`${edge.from || "none"}-${edge.to}`} data-state=${edge.to} data-moving=${edge.rate > 0}>
            <path d=${edge.path} stroke-width=${1.2 + 3.3 * Math.sqrt(edge.rate / most)} marker-end="url(#arrow)" />
            <text x=${edge.label[0]} y=${edge.label[1]}>${edge.name}${edge.rate > 0 && html`<tspan class="rate" x=${edge.beneath ? edge.label[0] : undefined} dx=${edge.beneath ? undefined : 5} dy=${edge.beneath ? 26 : 0}>${count(edge.rate)}</tspan>`}</text>
          </g>`)}
        ${STATES.map((state) => {
          const [x, y] = AT[state] ?? [0, 0];
          return html`
            <g key=${state} class="node" data-node=${state} data-state=${state} transform=${`translate(${x} ${y})`}>
              <rect width=${W} height=${H} rx="9" />
              <text class="node-name" x="14" y="20">${state.toUpperCase()}</text>
              <text class="node-count" x="14" y="40">${say(state)}</text>
            </g>`;
        })}
      </svg>
    </div>
  `;
}
