// @ts-check
/** The lifecycle's table as a picture: states with their counts, transitions with their rates. */

import { html, useEffect, useRef, useSignal } from "../../vendor/ui.js";
import { STATES } from "../entity.js";
import { edgeKey } from "../flow.js";
import { count } from "../format.js";
import { layoutFor } from "./flow-layout.js";

/** @param {{type: string, say: (state: string) => string, rates: Map<string, number>}} props `say`: how many are in a state */
export function FlowDiagram({ type, say, rates }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const width = useSignal(0);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => (width.value = element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const { name, view, boxes, boxSize: [boxWidth, boxHeight], edges } = layoutFor(width.value);
  const moves = edges.map((edge) => ({ ...edge, rate: rates.get(edgeKey(type, edge.from, edge.to)) ?? 0 }));
  const most = Math.max(1, ...moves.map((edge) => edge.rate));
  const says = moves.filter((edge) => edge.rate > 0).map((edge) => `${edge.rate} ${edge.name}`).join(", ");
  return html`
    <div class="flow-box" ref=${box}>
      <svg class="flow-diagram" data-layout=${name} viewBox=${view} role="img" aria-label=${`State flow: ${says || "nothing moved in the last minute"}`}>
        <defs>
          <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0.500L7.500 4L0 7.500z" /></marker>
        </defs>
        ${moves.map((edge) => html`
          <path key=${edge.from + edge.to} class="edge" data-state=${edge.to} data-moving=${edge.rate > 0} d=${edge.path}
            stroke-width=${1.2 + 3.3 * Math.sqrt(edge.rate / most)} marker-end="url(#arrow)" />`)}
        ${moves.map((edge) => html`
          <g key=${edge.from + edge.to} class="edge-label" data-edge=${`${edge.from || "none"}-${edge.to}`} data-state=${edge.to} data-moving=${edge.rate > 0}>
            <text class=${edge.beside ? "beside" : ""} x=${edge.label[0]} y=${edge.label[1]}>${edge.name}${edge.rate > 0 && html`<tspan class="rate" x=${edge.beneath ? edge.label[0] : undefined} dx=${edge.beneath ? undefined : 5} dy=${edge.beneath ? 26 : 0}>${count(edge.rate)}</tspan>`}</text>
          </g>`)}
        ${STATES.map((state) => {
          const [x, y] = boxes[state] ?? [0, 0];
          return html`
            <g key=${state} class="node" data-node=${state} data-state=${state} transform=${`translate(${x} ${y})`}>
              <rect width=${boxWidth} height=${boxHeight} rx="9" />
              <text class="node-name" x="12" y="19">${state.toUpperCase()}</text>
              <text class="node-count" x="12" y="39">${say(state)}</text>
            </g>`;
        })}
      </svg>
    </div>
  `;
}
