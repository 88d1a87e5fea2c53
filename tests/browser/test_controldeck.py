"""The ControlDeck page in a real browser, against real HTTP and real server-sent events."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Complaints
from tests.browser.fake_rail import FakeRail, Served
from tests.browser.scenes import a_mission

pytestmark = pytest.mark.browser

EVENTS_KEPT = "5,000"


def opened(page: Page, served: Served, path: str = "") -> None:
    """Opens the page and waits until its stream is live."""
    page.goto(f"{served.address}/neurorail{path}")
    expect(page.locator(".connection")).to_have_text("Live")


def tile(page: Page, name: str) -> str:
    return f'[data-tile="{name}"] .tile-value'


def test_tiles_follow_events(page: Page, served: Served, rail: FakeRail) -> None:
    opened(page, served)
    expect(page.locator(tile(page, "missions"))).to_have_text("0")
    resource = a_mission(rail)
    rail.spend(resource, 1200, 300, 0.25)
    expect(page.locator(tile(page, "missions"))).to_have_text("1")
    expect(page.locator(tile(page, "jobs"))).to_have_text("1")
    expect(page.locator(tile(page, "attempts"))).to_have_text("1")
    expect(page.locator(tile(page, "tokens"))).to_have_text("1,500")
    expect(page.locator(tile(page, "cost"))).to_have_text("$0.2500")
    expect(page.locator(tile(page, "violations"))).to_have_text("0")
    rail.publish("budget_violation", resource, violation_type="tokens", limit=1, consumed=1500)
    expect(page.locator(tile(page, "violations"))).to_have_text("1")


def test_mission_table_lists_newest_first_and_moves_with_events(
    page: Page, served: Served, rail: FakeRail
) -> None:
    a_mission(rail, "m_older")
    opened(page, served)
    rows = page.locator("[data-mission]")
    expect(rows).to_have_count(1)
    a_mission(rail, "m_newer")
    expect(rows).to_have_count(2)
    expect(rows.first).to_have_attribute("data-mission", "m_newer")
    newer = page.locator('[data-mission="m_newer"]')
    expect(newer.locator(".state")).to_have_text("running")
    expect(newer).to_contain_text("researcher")
    rail.move("m_newer", "fail")
    expect(newer.locator(".state")).to_have_text("failed")
    rail.publish("budget_violation", "m_older", violation_type="tokens", limit=1, consumed=2)
    expect(page.locator('[data-mission="m_older"] .code')).to_have_text("NR-E002")


def test_a_channel_chip_shows_that_channel_alone(
    page: Page, served: Served, rail: FakeRail
) -> None:
    resource = a_mission(rail)
    rail.spend(resource, 10, 5, 0.001)
    opened(page, served)
    events = page.locator(".event")
    expect(page.locator('.event[data-channel="lifecycle"]').first).to_be_visible()
    page.get_by_role("button", name="enforcement").click()
    expect(events).to_have_count(1)
    expect(events).to_have_attribute("data-type", "cost_tracked")
    rail.move(resource, "succeed")
    rail.spend(resource, 20, 5, 0.001)
    expect(events).to_have_count(2)
    page.get_by_role("button", name="lifecycle").click()
    expect(page.locator('.event[data-channel="lifecycle"]').first).to_be_visible()
    page.get_by_role("searchbox", name="Search events").fill("cost")
    expect(events).to_have_count(2)
    page.get_by_role("button", name="all", exact=True).click()
    page.get_by_role("searchbox", name="Search events").fill("nothing_like_it")
    expect(page.locator(".stream .nothing")).to_contain_text("No event passes the filter.")


def test_pause_holds_the_list_and_clear_empties_it(
    page: Page, served: Served, rail: FakeRail
) -> None:
    a_mission(rail)
    opened(page, served)
    events = page.locator(".event")
    expect(events).to_have_count(15)
    page.get_by_role("button", name="Pause").click()
    rail.move("r_alpha", "succeed")
    waiting = page.get_by_role("button", name="1 new")
    expect(waiting).to_be_visible()
    expect(events).to_have_count(15)
    waiting.click()
    expect(events).to_have_count(16)
    page.get_by_role("button", name="Clear").click()
    expect(events).to_have_count(0)
    rail.move("a_alpha", "succeed")
    expect(events).to_have_count(1)


def test_clicking_a_mission_shows_its_chain_and_keeps_it_live(
    page: Page, served: Served, rail: FakeRail
) -> None:
    resource = a_mission(rail)
    rail.publish(
        "transition_rejected", "j_alpha", entity_type="job", entity_id="j_alpha",
        current_state="running", transition="create", code="NR-E301",
    )  # fmt: skip
    opened(page, served)
    page.locator('[data-mission="m_alpha"]').click()
    chain = page.get_by_role("treegrid", name="Entities")
    rows = chain.locator("[data-entity]")
    expect(rows).to_have_count(5)
    for depth in range(5):
        expect(rows.nth(depth)).to_have_attribute("data-depth", str(depth))
    expect(chain.locator('[data-entity="j_alpha"] .code')).to_have_text("NR-E301")
    page.get_by_role("tab", name="Events").click()
    beside = page.get_by_role("table", name="Events, newest first")
    expect(beside.locator(".event").first).to_contain_text("transition_rejected")

    rail.spend(resource, 2000, 345, 0.01)
    rail.move(resource, "succeed")
    last = chain.locator('[data-entity="r_alpha"]')
    expect(last.locator(".state")).to_have_text("succeeded")
    expect(last).to_contain_text("2,345")
    expect(last).to_contain_text("$0.0100")
    expect(beside).to_contain_text("cost_tracked")


def test_the_chain_is_walked_and_folded_by_keyboard(
    page: Page, served: Served, rail: FakeRail
) -> None:
    a_mission(rail)
    opened(page, served, "/trace?mission=m_alpha")
    rows = page.locator("[data-entity]")
    expect(rows).to_have_count(5)
    rows.first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator('[data-entity="j_alpha"]')).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(rows).to_have_count(3)
    expect(page.locator('[data-entity="j_alpha"]')).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowRight")
    expect(rows).to_have_count(5)


def test_an_id_in_the_stream_leads_to_its_entity(
    page: Page, served: Served, rail: FakeRail
) -> None:
    a_mission(rail)
    opened(page, served)
    page.locator(".event a.id", has_text="a_alpha").first.click()
    expect(page.locator('[data-entity="a_alpha"]')).to_have_attribute("aria-current", "true")
    expect(page).to_have_title("Trace explorer · NeuroRail")
    page.go_back()
    expect(page.locator("[data-panel=chain]")).to_have_count(0)
    expect(page.locator(".event").first).to_be_visible()


def test_the_page_resumes_after_a_restart_of_the_server(
    page: Page, served: Served, rail: FakeRail, complaints: Complaints
) -> None:
    complaints.network_expected = True
    a_mission(rail)
    opened(page, served)
    expect(page.locator(".event")).to_have_count(15)
    served.stop()
    expect(page.locator(".connection")).to_have_text("Reconnecting")
    rail.move("r_alpha", "succeed")
    served.start()
    expect(page.locator(".connection")).to_have_text("Live")
    # What happened meanwhile is there, and nothing twice.
    expect(page.locator(".event")).to_have_count(16)
    rail.move("a_alpha", "succeed")
    expect(page.locator(".event")).to_have_count(17)
    expect(page.locator(tile(page, "attempts"))).to_have_text("0")


def test_a_flood_of_events_leaves_the_page_small_and_current(
    page: Page, served: Served, rail: FakeRail
) -> None:
    a_mission(rail)
    opened(page, served)
    for number in range(5_000):
        rail.publish("tt_first_signal", "a_alpha", tt_first_signal_ms=number)
    rail.publish("retry_attempted", "j_alpha", attempt_number=7, retries=6)
    expect(page.locator(".event").first).to_contain_text("attempt 7")
    expect(page.locator(".stream .panel-note")).to_have_text(f"{EVENTS_KEPT} shown")
    assert page.locator(".event").count() < 60
    expect(page.locator('[data-tile="ingest"] .tile-note')).to_contain_text("5,016")


def test_falling_behind_is_said(page: Page, served: Served, rail: FakeRail) -> None:
    a_mission(rail)
    opened(page, served)
    expect(page.locator(".event").first).to_be_visible()
    rail.lag()
    notice = page.locator(".notice")
    expect(notice).to_contain_text("3 events")
    notice.get_by_role("button", name="Dismiss").click()
    expect(notice).to_have_count(0)


@pytest.mark.parametrize("width", [360, 800, 1100, 1920])
def test_nothing_overflows_the_page(page: Page, served: Served, rail: FakeRail, width: int) -> None:
    a_mission(rail, "m_" + "w" * 64)
    page.set_viewport_size({"width": width, "height": 900})
    for path in (
        "",
        "/trace",
        "/trace?mission=m_" + "w" * 64,
        "/lifecycle",
        "/budget",
        "/audit",
        "/access",
    ):
        opened(page, served, path)
        expect(page.locator(".skeleton")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


WHOLE_DIAGRAM = """
() => {
  const drawn = document.querySelector(".flow-diagram");
  const panel = drawn.closest(".panel").getBoundingClientRect();
  const outside = [...drawn.querySelectorAll(".node, .edge-label")].filter((part) => {
    const { left, right, top, bottom } = part.getBoundingClientRect();
    return left < panel.left || right > panel.right || top < panel.top || bottom > panel.bottom;
  });
  const least = Math.min(...[...drawn.querySelectorAll("text")].map(
    (text) => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a));
  return outside.length === 0 && least > 8 && { layout: drawn.dataset.layout, outside: 0, least };
}
"""


@pytest.mark.parametrize(
    ("width", "layout"),
    [(360, "tall"), (390, "tall"), (820, "wide"), (1100, "tall"), (1440, "wide")],
)
def test_the_state_flow_is_whole_and_readable(
    page: Page, served: Served, rail: FakeRail, width: int, layout: str
) -> None:
    a_mission(rail)
    page.set_viewport_size({"width": width, "height": 900})
    opened(page, served, "/lifecycle")
    expect(page.locator(".flow-diagram")).to_have_attribute("data-layout", layout)
    expect(page.locator('[data-edge="queued-running"]')).to_contain_text("start")
    # Fonts and the panel's size may come after the diagram.
    found = page.wait_for_function(WHOLE_DIAGRAM).json_value()
    assert (found["outside"], found["layout"]) == (0, layout)
    assert found["least"] > 8


def test_on_a_phone_the_open_page_is_in_sight_in_the_navigation(
    page: Page, served: Served, rail: FakeRail
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for path, name in (("/access", "Access"), ("/governor", "Governor"), ("", "Overview")):
        opened(page, served, path)
        expect(page.get_by_role("link", name=name, exact=True)).to_be_in_viewport(ratio=1)


def test_the_colour_scheme_is_the_systems_until_chosen(page: Page, served: Served) -> None:
    page.emulate_media(color_scheme="light")
    opened(page, served)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    body = page.locator("body")
    expect(body).not_to_have_css("background-color", light)
    button = page.get_by_role("button", name="Colour scheme")
    button.click()
    button.click()
    expect(button).to_contain_text("Light")
    expect(body).to_have_css("background-color", light)
    page.reload()
    expect(button).to_contain_text("Light")
    expect(body).to_have_css("background-color", light)


def test_only_own_files_are_loaded_under_strict_rules(page: Page, served: Served) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_response(lambda answer: answer.url.endswith("/neurorail/")) as answered:
        opened(page, served)
    rules = answered.value.headers["content-security-policy"]
    assert "script-src 'self'" in rules
    assert "unsafe" not in rules
    assert all(url.startswith(served.address) for url in asked)


LISTS = """
() => [...document.querySelectorAll("main [role=table]")].map((list) => [
  list.ariaLabel,
  list.closest("section, .panel")?.querySelectorAll(".export button").length ?? 0,
])
"""


@pytest.mark.parametrize(
    "path", ["", "trace", "lifecycle", "budget", "reflex", "governor", "audit", "access"]
)
def test_every_list_can_be_taken_along(
    page: Page, served: Served, rail: FakeRail, path: str
) -> None:
    a_mission(rail, "m_fail")
    page.goto(f"{served.address}/neurorail/{path}")
    expect(page.locator(".connection")).to_have_text("Live")
    expect(page.locator("main [role=table]").first).to_be_visible()
    lists = page.evaluate(LISTS)
    assert [name for name, buttons in lists if buttons < 2] == []
