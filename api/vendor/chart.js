// The chart library, apart from ui.js: only pages that draw time series load it.
export { default as uPlot } from "uplot";
