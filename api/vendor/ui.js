// The one module that ControlDeck's pages import their user interface library from.
// Bundled as one file, so that there is exactly one copy of preact for the hooks to live in.
import { h } from "preact";
import htm from "htm";

export { h, render, Fragment } from "preact";
export { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
export { signal, computed, effect, batch, untracked, useSignal, useComputed } from "@preact/signals";
export const html = htm.bind(h);
