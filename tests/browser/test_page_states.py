"""What pages say while nothing was read yet, when reading fails, and when the server is away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from tests.browser.conftest import Complaints, watched
from tests.browser.fake_rail import FakeRail, Served
from tests.browser.looking import in_address, not_in_address
from tests.browser.scenes import a_mission

pytestmark = pytest.mark.browser

COUNTING = ["", "lifecycle", "reflex", "budget", "governor"]
"""Pages whose tiles are counts."""
LISTING = [*COUNTING, "trace", "audit", "access"]
COUNTS = ".tile .tile-value"


def answer_reads(page: Page, answer: Callable[[Route], None]) -> None:
    """Let the page know who reads and have its stream; answer everything else so."""

    def choose(route: Route) -> None:
        known = any(name in route.request.url for name in ("whoami", "stream/events"))
        route.continue_() if known else answer(route)

    page.route("**/api/**", choose)


def open_page(page: Page, served: Served, path: str) -> None:
    page.goto(f"{served.address}/neurorail/{path}")
    expect(page.locator(".connection")).to_have_text("Live")


def turn_to(page: Page, path: str) -> None:
    """Go to a page without loading the document anew."""
    page.locator(f'nav a[href$="/neurorail/{path}"]').last.click()
    expect(page.locator(f'main[data-page="{path}"]')).to_be_visible()


def test_no_page_shows_a_number_before_it_is_known(page: Page, served: Served) -> None:
    answer_reads(page, lambda _: None)
    open_page(page, served, "")
    for path in LISTING:
        turn_to(page, path)
        expect(page.locator(".skeleton").first).to_be_visible()
        if path in COUNTING:
            numbers = page.locator(COUNTS)
            expect(numbers.first).to_be_visible()
            assert set(numbers.all_inner_texts()) <= {"…", "–"}, path


def test_every_page_says_what_it_could_not_read(
    page: Page, served: Served, complaints: Complaints
) -> None:
    complaints.network_expected = True
    problem = {"detail": "the archive does not answer"}
    answer_reads(page, lambda route: route.fulfill(status=409, json=problem))
    open_page(page, served, "")
    for path in LISTING:
        turn_to(page, path)
        expect(page.locator("main [role=alert]").first).to_contain_text("does not answer")
        if path in COUNTING:
            for number in page.locator(COUNTS).all():
                expect(number).to_have_text("–")
    turn_to(page, "budget")
    expect(page.locator("[data-panel=kinds] [role=alert]")).to_be_visible()


def test_a_page_opened_while_the_server_is_away_is_read_when_it_is_back(
    page: Page, served: Served, rail: FakeRail, complaints: Complaints
) -> None:
    complaints.network_expected = True
    a_mission(rail)
    open_page(page, served, "")
    turn_to(page, "lifecycle")
    expect(page.locator("[data-panel=moves] .list-row").first).to_be_visible()
    turn_to(page, "")
    served.stop()
    expect(page.locator("[data-notice=away]")).to_be_visible()
    turn_to(page, "lifecycle")
    failed = page.locator("[data-panel=moves] [role=alert]")
    expect(failed).to_contain_text("the server cannot be reached")
    served.start()
    expect(page.locator("[data-panel=moves] .list-row").first).to_be_visible()
    expect(page.locator("[data-notice=away]")).to_have_count(0)


def test_who_is_turned_away_signs_in_again_and_is_told_why(
    page: Page, served: Served, rail: FakeRail, complaints: Complaints
) -> None:
    complaints.network_expected = True
    reader = {"principal": "key:k_1", "tenant": "default", "role": "viewer", "expires_at": None}
    permissions = ["read:lifecycle", "read:metrics", "stream:events"]
    page.route(
        "**/rbac/whoami", lambda route: route.fulfill(json={**reader, "permissions": permissions})
    )
    page.route("**/v1/session", lambda route: route.fulfill(json={"csrf_token": "t"}))
    open_page(page, served, "")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.unroute_all()
    page.route("**/api/**", lambda route: route.fulfill(status=401, json={"detail": "it expired"}))
    a_mission(rail)  # What happens makes the page read its counts.
    expect(page.locator("form")).to_be_visible()
    expect(page.locator("[role=alert]")).to_contain_text("it expired")
    assert page.evaluate("localStorage.getItem('controldeck.token')") is None


def test_times_are_written_in_the_zone_that_was_chosen(
    browser: Browser, served: Served, rail: FakeRail, complaints: Complaints
) -> None:
    a_mission(rail)
    with watched(browser, complaints, timezone_id="Asia/Kolkata") as page:
        open_page(page, served, "audit")
        panel = page.locator("[data-panel=audit]")
        all_of = str(len(rail.audit))
        expect(panel.locator(".panel-note")).to_have_attribute("data-count", all_of)
        moment = panel.locator(".list-row time").first
        at = datetime.fromisoformat(str(moment.get_attribute("datetime")))
        there = at.astimezone(timezone(timedelta(hours=5, minutes=30)))
        expect(moment).to_have_text(f"{there:%Y-%m-%d %H:%M:%S}")
        page.get_by_role("button", name="Time zone").click()
        expect(moment).to_have_text(f"{at:%Y-%m-%d %H:%M:%S}")
        page.reload()
        expect(page.get_by_role("button", name="Time zone")).to_contain_text("UTC")
        expect(moment).to_have_text(f"{at:%Y-%m-%d %H:%M:%S}")


NO_FRAME = """
() => {
  const frame = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (work) => {
    if (work.name !== "flush") return frame(work);
    console.log("a batch waits");
    return 0;
  };
}
"""
HIDE = """
() => {
  Object.defineProperty(document, "hidden", { get: () => true });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""
"""As a browser does it: a hidden page gets no frames, not even one that it waits for."""


def test_a_page_that_is_hidden_while_events_come_takes_them(
    page: Page, served: Served, rail: FakeRail
) -> None:
    a_mission(rail)
    open_page(page, served, "")
    received = page.locator("[data-tile=ingest] .tile-note")
    expect(received).to_have_attribute("data-received", "15")
    with page.expect_console_message(lambda message: message.text == "a batch waits"):
        page.evaluate(NO_FRAME)
        rail.move("r_alpha", "succeed")
    page.evaluate(HIDE)
    expect(received).to_have_attribute("data-received", "16")
    rail.move("a_alpha", "succeed")
    expect(received).to_have_attribute("data-received", "17")


def test_budgets_beyond_the_fullest_are_shown_when_asked_for(
    page: Page, served: Served, rail: FakeRail
) -> None:
    limit = {
        "kind": "tokens", "limit": 100, "held": 0, "left": 50, "rule_id": "own_budget",
        "severity": "enforce",
    }  # fmt: skip
    budgets = [
        {"entity_type": "mission", "entity_id": f"m_{at}", "limits": [{**limit, "consumed": at}]}
        for at in range(50)
    ]
    page.route(
        "**/v1/budgets?entity_type=mission*", lambda route: route.fulfill(json={"budgets": budgets})
    )
    open_page(page, served, "budget")
    uses = page.locator("[data-panel=near] .use")
    expect(uses).to_have_count(20)
    expect(uses.first).to_contain_text("49%")
    page.get_by_role("button", name="30 more").click()
    page.get_by_role("button", name="10 more").click()
    expect(uses).to_have_count(50)
    expect(uses.last).to_contain_text("0%")


CHOSEN = {
    "lifecycle?type=job": "rejected", "reflex": "agents", "governor": "changes", "budget": "pools",
    "trace?mission=m_alpha&entity=j_alpha": "transitions", "audit": "checkpoints",
}  # fmt: skip
"""A tab of each page that has some, and is not the first."""


def test_the_tab_that_was_chosen_is_in_the_address(
    page: Page, served: Served, rail: FakeRail, complaints: Complaints
) -> None:
    complaints.network_expected = True
    a_mission(rail)
    for path, name in CHOSEN.items():
        open_page(page, served, path)
        tab = page.locator(f"[data-tab={name}]")
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")
        in_address(page, f"={name}", *filter(None, path.partition("?")[2].split("&")))
        page.reload()
        expect(tab).to_have_attribute("aria-selected", "true")
        page.locator("[role=tab]").first.click()
        expect(tab).to_have_attribute("aria-selected", "false")
        not_in_address(page, f"={name}")
    open_page(page, served, "budget?range=6+h&by=agent&since=-7d")
    expect(page.get_by_role("button", name="6 h")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_label("Spend by", exact=True)).to_have_value("agent")
    expect(page.get_by_label("Spend since", exact=True)).to_have_value("-7d")
