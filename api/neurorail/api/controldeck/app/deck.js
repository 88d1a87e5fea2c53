// @ts-check
/** What surrounds every page: navigation, header, notices, and what opens above it. */

import { html, useEffect, useRef, useSignal } from "../vendor/ui.js";
import { scheme, zone } from "./choice.js";
import { AskSheet } from "./ask.js";
import { EventSheet } from "./event-sheet.js";
import { Help } from "./help.js";
import { clock, count } from "./format.js";
import { helpOpen } from "./keys.js";
import { Mark } from "./mark.js";
import { PAGES } from "./pages.js";
import { Nothing } from "./panel.js";
import { link, place } from "./route.js";
import { may, session, signedIn, signOut, who } from "./session.js";
import { SignIn } from "./sign-in.js";
import { connection, lag, notice, readProblem } from "./store.js";

export function Deck() {
  return session.value === "in" ? html`<${Pages} />` : html`<${SignIn} />`;
}

function Pages() {
  const page = PAGES.find((each) => each.path === place.value.page);
  const title = page?.title ?? "No such page";
  const heading = useRef(/** @type {HTMLElement | null} */ (null));
  const first = useRef(true);

  useEffect(() => {
    document.title = `${title} · NeuroRail`;
    // A reader who cannot see the page hears that it changed.
    if (!first.current) heading.current?.focus({ preventScroll: true });
    first.current = false;
  }, [title]);

  return html`
    <a class="skip" href="#page">Skip to the page</a>
    <div class="frame">
      <${Navigation} />
      <div class="beside">
        <header class="top">
          <h1 ref=${heading} tabindex="-1">${title}</h1>
          <${Choices} />
          <${Reader} />
          <${Connection} />
        </header>
        <${Notices} />
        <main id="page" class="deck" data-page=${page?.path ?? "unknown"}>
          ${page ? (opens(page) ? html`<${View} key=${page.path} page=${page} />` : html`<div class="nothing" data-forbidden=${page.needs}><p><strong>Not for this key.</strong></p><p>This page needs <code>${page.needs}</code>.</p></div>`) : html`<p class="nothing">There is no such page. <a class="plain" href=${link("")}>Go to the overview</a>.</p>`}
        </main>
      </div>
    </div>
    <${EventSheet} />
    <${AskSheet} />
    <${Help} />
  `;
}

/** Whether the reader may see a page. @param {import("./pages.js").Page} page */
const opens = (page) => page.needs === undefined || may(page.needs);

/** Draws a page as soon as its modules are here; the other pages' come when there is nothing else to do. @param {{page: import("./pages.js").Page}} props */
function View({ page }) {
  const drawn = useSignal(/** @type {{view: any} | null} */ (null));
  const problem = useSignal("");

  function load() {
    problem.value = "";
    page.load().then(
      (view) => {
        drawn.value = { view };
        // What fails now is tried again when somebody goes there.
        whenIdle(() => PAGES.forEach((each) => each.load().catch(() => null)));
      },
      () => (problem.value = "The page did not come. Is the server away?"),
    );
  }
  useEffect(load, [page]);
  return drawn.value ? html`<${drawn.value.view} />` : html`<${Nothing} loading problem=${problem.value} onRetry=${load} />`;
}

/** @param {() => void} work */
const whenIdle = (work) => ("requestIdleCallback" in window ? requestIdleCallback(work, { timeout: 5000 }) : setTimeout(work, 2000));

function Navigation() {
  const bar = useRef(/** @type {HTMLElement | null} */ (null));
  const { page } = place.value;
  useEffect(() => {
    // On a phone the pages are a row that scrolls: the open one is in sight.
    /** @type {HTMLElement | null | undefined} */
    const open = bar.current?.querySelector("[aria-current]");
    if (bar.current && open) bar.current.scrollLeft = open.offsetLeft - (bar.current.clientWidth - open.offsetWidth) / 2;
  }, [page]);
  return html`
    <nav class="side" ref=${bar} aria-label="Pages">
      <a class="brand" href=${link("")} aria-label="NeuroRail"><${Mark} /><span class="brand-name">NeuroRail</span></a>
      <ul>
        ${PAGES.filter(opens).map((each) => html`
          <li key=${each.path}>
            <a href=${link(each.path)} aria-current=${each.path === page ? "page" : undefined} title=${`${each.title} (g ${each.key})`}>
              <svg viewBox="0 0 24 24" aria-hidden="true"><path d=${each.icon} /></svg><span>${each.title}</span>
            </a>
          </li>
        `)}
      </ul>
      <div class="side-end">
        <a href="docs" target="_blank" rel="noreferrer">API</a>
        <a href="../metrics" target="_blank" rel="noreferrer">Metrics</a>
        <button type="button" onClick=${() => (helpOpen.value = true)}>Keys</button>
      </div>
    </nav>
  `;
}

const SCHEMES = { system: "Auto", dark: "Dark", light: "Light" };

function Choices() {
  return html`
    <button type="button" class="quiet" onClick=${() => zone.next()} title="Time zone of all times">
      <span class="unseen">Time zone: </span>${zone.value === "UTC" ? "UTC" : html`Local<span class="roomy"> time</span>`}
    </button>
    <button type="button" class="quiet" onClick=${() => scheme.next()} title="Colour scheme">
      <span class="unseen">Colour scheme: </span>${SCHEMES[scheme.value]}<span class="roomy"> theme</span>
    </button>
  `;
}

/** Who is signed in; on an open server there is nobody to sign out. */
function Reader() {
  const me = who.value; // Read also while nobody is in: the first key signs in whoever makes it.
  if (!signedIn()) return null;
  return html`
    <button type="button" class="quiet reader" onClick=${() => signOut()} title=${`${me?.principal} · ${me?.role ?? "no role"}`}>
      Sign out<span class="unseen"> ${me?.principal}</span>
    </button>
  `;
}

const SAYS = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", refused: "Not allowed", closed: "Closed" };

function Connection() {
  const gaps = connection.value === "live" && lag.value !== null;
  return html`
    <p class="connection" role="status" data-connection=${connection.value} data-gaps=${gaps}>
      <span class="dot" aria-hidden="true"></span>${gaps ? "Live, with gaps" : SAYS[connection.value]}
    </p>
  `;
}

function Notices() {
  const away = connection.value === "reconnecting";
  return html`
    ${away && html`
      <div class="notice" role="status" data-notice="away">
        <span><strong>The server cannot be reached.</strong> What you see is as of the moment the connection broke; it goes on by itself as soon as the server is back.</span>
      </div>`}
    ${!away && readProblem.value && html`
      <div class="notice" role="status" data-notice="unread"><span>${readProblem.value}</span></div>`}
    ${lag.value && html`<${Lag} missed=${lag.value.missed} sinceMs=${lag.value.sinceMs} />`}
    ${notice.value && html`
      <div class="notice" role="status" data-notice="said">
        <span>${notice.value}</span>
        <button type="button" class="quiet" onClick=${() => (notice.value = "")}>Dismiss</button>
      </div>`}
  `;
}

/** What a page that fell behind does not show, what of it is exact all the same, and where the rest is. @param {{missed: number, sinceMs: number}} props */
function Lag({ missed, sinceMs }) {
  const what = missed > 0 ? `${count(missed)} ${missed === 1 ? "event is" : "events are"}` : "Events are";
  return html`
    <div class="notice" role="status" data-notice="lagged">
      <span><strong>This page fell behind.</strong> ${what} missing from its lists, from ${clock(sinceMs).slice(0, 8)} on. Counts, missions and chains were read anew and are exact${may("read:audit") ? "; the audit trail has every event" : ""}.</span>
      <span class="notice-acts">
        ${may("read:audit") && html`<a class="button" href=${link("audit")}>Open the audit trail</a>`}
        <button type="button" class="quiet" onClick=${() => (lag.value = null)}>Dismiss</button>
      </span>
    </div>
  `;
}
