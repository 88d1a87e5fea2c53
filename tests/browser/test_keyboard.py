"""Whatever can be clicked is reached and used by keys, and Escape leaves what opened."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Complaints
from tests.browser.fake_rail import FakeRail, Served
from tests.browser.looking import leave_sheet
from tests.browser.scenes import a_mission

pytestmark = pytest.mark.browser

PAGES = [
    "", "trace", "trace?mission=m_fail", "lifecycle", "reflex", "budget", "governor", "audit",
    "audit?view=bundle", "access",
]  # fmt: skip
CONTROLS = """
  const wanted = "a[href], button, input, select, textarea, summary, [tabindex='0']";
  const controls = [...document.querySelectorAll(wanted)].filter((element) =>
    element.tabIndex >= 0 && !element.disabled && element.checkVisibility()
  );
"""
REACHABLE = f"""
() => {{
  {CONTROLS}
  window.reached = controls;
  return controls.map((element, at) => (element.dataset.reach = String(at))).length;
}}
"""
CHANGED = f"""
() => {{
  {CONTROLS}
  return controls.length !== reached.length || controls.some((each, at) => each !== reached[at]);
}}
"""
WITHIN = "document.activeElement === document.body || document.activeElement.closest('dialog')"
FOCUSED = "() => document.activeElement?.dataset.reach ?? ''"
CLICKED = """
() => [...document.querySelectorAll("main *")].filter((element) =>
  getComputedStyle(element).cursor === "pointer" && element.checkVisibility() &&
  !element.closest("a, button, label, select, input, summary, [tabindex], [data-opens], .tile")
).map((element) => element.outerHTML.slice(0, 120))
"""
OPENERS = {
    "": ["Keys"],
    "reflex": ["Kill switch…", "Suspend…", "Open a circuit…"],
    "governor": ["New"],
    "access": ["New key"],
}


def a_scene(rail: FakeRail) -> None:
    a_mission(rail, "m_fail")
    rail.move("a_fail", "fail")
    rail.publish("budget_violation", "r_fail", violation_type="tokens", limit=1, consumed=2)


def tabbed(page: Page) -> tuple[set[str], int]:
    """What the focus came to in one round, and of how many controls."""
    all_of = page.evaluate(REACHABLE)
    seen: set[str] = set()
    for _ in range(2 * all_of):
        page.keyboard.press("Tab")
        seen |= {page.evaluate(FOCUSED)} - {""}
        if len(seen) == all_of:
            break
    return seen, all_of


@pytest.mark.parametrize("path", PAGES)
def test_tab_reaches_every_control_in_one_round(
    page: Page, served: Served, rail: FakeRail, path: str, complaints: Complaints
) -> None:
    complaints.network_expected = True
    a_scene(rail)
    page.goto(f"{served.address}/neurorail/{path}")
    expect(page.locator(".connection")).to_have_text("Live")
    expect(page.locator(".skeleton")).to_have_count(0)
    seen, all_of = tabbed(page)
    while page.evaluate(CHANGED):  # Rows and tools came meanwhile.
        seen, all_of = tabbed(page)
    assert all_of > 15
    assert len(seen) == all_of
    # What a pointer can press is one of those, or a row of a list that arrow keys walk.
    assert page.evaluate(CLICKED) == []


@pytest.mark.parametrize("path", list(OPENERS))
def test_what_a_key_opens_escape_closes_and_the_focus_is_back(
    page: Page, served: Served, rail: FakeRail, path: str
) -> None:
    a_scene(rail)
    page.goto(f"{served.address}/neurorail/{path}")
    expect(page.locator(".connection")).to_have_text("Live")
    for name in OPENERS[path]:
        opener = page.get_by_role("button", name=name, exact=True)
        opener.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        # The page behind is out of reach.
        for _ in range(12):
            page.keyboard.press("Tab")
            assert page.evaluate(WITHIN)
        leave_sheet(page)
        expect(dialog).to_have_count(0)
        expect(opener).to_be_focused()


def test_an_event_is_opened_and_left_by_keys(page: Page, served: Served, rail: FakeRail) -> None:
    a_scene(rail)
    page.goto(f"{served.address}/neurorail/")
    # One more at the top would move the rows.
    all_of = str(len(rail.events))
    expect(page.locator(".stream .panel-note")).to_have_attribute("data-count", all_of)
    listed = page.get_by_role("table", name="Events, newest first")
    second = listed.locator('[data-index="1"]')
    expect(second).to_be_visible()
    listed.focus()
    page.keyboard.press("ArrowDown")
    expect(second).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Evidence")
    leave_sheet(page)
    expect(listed.locator('[data-index="1"]')).to_be_focused()
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Resume")).to_have_attribute("aria-pressed", "true")


def test_no_key_leads_away_from_what_is_open(page: Page, served: Served, rail: FakeRail) -> None:
    a_scene(rail)
    page.goto(f"{served.address}/neurorail/")
    page.locator(".event").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    for key in ("g", "l", "p", "/"):
        page.keyboard.press(key)
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.get_by_role("heading", level=1, include_hidden=True)).to_have_text("Overview")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
