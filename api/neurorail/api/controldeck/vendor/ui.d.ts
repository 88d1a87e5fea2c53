// Types of ui.js, for `npm run types`; nothing at run time reads this file.
import type { VNode } from "preact";

export { h, render, Fragment } from "preact";
export { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
export { signal, computed, effect, batch, untracked, useSignal, useComputed } from "@preact/signals";
export declare function html(strings: TemplateStringsArray, ...values: unknown[]): VNode;
