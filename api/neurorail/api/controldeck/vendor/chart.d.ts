// Types of chart.js, for `npm run types`; nothing at run time reads this file.
export { default as uPlot } from "uplot";
