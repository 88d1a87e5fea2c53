// @ts-check
/** The pages: their address, their name, the key that leads to them, and what draws them. */


/** @typedef {{path: string, title: string, key: string, icon: string, load: () => Promise<any>, needs?: string}} Page `needs`: a permission `icon`: an SVG path in a 24 × 24 box; `load`: gives what draws the page */

/** @type {Page[]} */
export const PAGES = [
  { path: "", title: "Overview", key: "o", load: () => import("./pages/main.js").then((module) => module.Main), icon: "M4 13h6V4H4zm0 7h6v-4H4zm10 0h6v-9h-6zm0-16v4h6V4z" },
  { path: "trace", title: "Trace explorer", key: "t", load: () => import("./pages/trace.js").then((module) => module.Trace), icon: "M4 6h9M7 12h10M11 18h9" },
  { path: "lifecycle", title: "Lifecycle", key: "l", load: () => import("./pages/lifecycle.js").then((module) => module.Lifecycle), icon: "M5 12a2 2 0 1 0 .01 0M19 5a2 2 0 1 0 .01 0M19 17a2 2 0 1 0 .01 0M7 13c6 0 4-6 10-6M7 14c6 0 4 5 10 5" },
  { path: "reflex", title: "Reflex monitor", key: "r", load: () => import("./pages/reflex.js").then((module) => module.Reflex), icon: "M13 3L5 14h6l-1 7 8-11h-6z" },
  { path: "budget", title: "Budgets", key: "b", load: () => import("./pages/budget.js").then((module) => module.Budget), icon: "M12 3v18M16.5 7.5C16 6 14.5 5.2 12 5.2c-2.700 0-4.500 1.300-4.500 3.300 0 4.600 9.500 2.200 9.500 7 0 2.200-2 3.500-5 3.500-2.800 0-4.700-1-5.200-3" },
  { path: "governor", title: "Governor", key: "v", load: () => import("./pages/governor.js").then((module) => module.Governor), icon: "M12 4v16M7 20h10M5 8l7-2 7 2M5 8l-2.500 6h5zM19 8l-2.500 6h5z" },
  { path: "audit", title: "Audit", key: "a", load: () => import("./pages/audit.js").then((module) => module.Audit), needs: "read:audit", icon: "M12 3l7 3v5c0 4.500-3 8-7 10-4-2-7-5.500-7-10V6zM9 12l2 2 4-4" },
  { path: "access", title: "Access", key: "k", load: () => import("./pages/access.js").then((module) => module.Access), icon: "M15 7a4 4 0 1 0-3.500 6L13 14.500h2.500V17H18v3h3v-3l-6.500-6.500A4 4 0 0 0 15 7zM8 8.010v0" },
];
