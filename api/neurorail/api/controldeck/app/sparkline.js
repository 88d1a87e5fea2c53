// @ts-check

import { html } from "../vendor/ui.js";

/** One bar a value, the newest at the right end of so many places. @param {{series: number[], places: number}} props */
export function Sparkline({ series, places }) {
  const top = Math.max(1, ...series);
  const bars = series.slice(-places).map((value, at, shown) => {
    const height = value === 0 ? 0 : Math.max(1, (value / top) * 30);
    return `M${(places - shown.length + at) * 3 + 1} 32v${-height.toFixed(1)}`;
  });
  return html`
    <svg viewBox="0 0 ${places * 3} 32" preserveAspectRatio="none">
      <path class="spark" d=${bars.join("")} />
    </svg>
  `;
}
