"""The filters of the live events: each leaves the right ones, and all are in the address."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.fake_rail import FakeRail, Served
from tests.browser.looking import in_address, not_in_address
from tests.browser.scenes import a_mission

pytestmark = pytest.mark.browser


def opened(page: Page, served: Served, query: str = "") -> Locator:
    """The rows of the live events that are in sight."""
    page.goto(f"{served.address}/neurorail/{query}")
    expect(page.locator(".connection")).to_have_text("Live")
    return page.locator(".event")


def shown(page: Page, number: int) -> None:
    """So many events pass the filter."""
    expect(page.locator(".stream .panel-note")).to_have_attribute("data-count", str(number))


def test_events_are_filtered_by_type_severity_and_entity(
    page: Page, served: Served, rail: FakeRail
) -> None:
    a_mission(rail, "m_one")
    a_mission(rail, "m_two")
    rail.move("r_two", "fail")
    events = opened(page, served)
    shown(page, 31)
    page.get_by_label("Entity id").fill("j_two")
    page.get_by_label("Entity id").press("Enter")
    # The job and what is below it, but nothing above.
    expect(events).to_have_count(10)
    page.get_by_label("Type of entity").select_option("attempt")
    expect(events).to_have_count(3)
    expect(events.first).to_contain_text("attempt queued → running")
    page.get_by_label("Type of entity").select_option("")
    page.get_by_label("Severity").select_option("error")
    expect(events).to_have_count(1)
    expect(events).to_contain_text("resource running → failed")
    page.get_by_label("Severity").select_option("")
    page.get_by_label("Event type").select_option("retry_attempted")
    expect(events).to_have_count(0)
    page.get_by_role("button", name="Take the filter away").click()
    shown(page, 31)
    not_in_address(page, "?")


def test_filters_are_in_the_address_and_survive_a_reload(
    page: Page, served: Served, rail: FakeRail
) -> None:
    resource = a_mission(rail)
    rail.spend(resource, 10, 5, 0.001)
    events = opened(page, served)
    page.get_by_role("button", name="lifecycle", exact=True).click()
    page.get_by_role("button", name="enforcement", exact=True).click()
    page.get_by_label("Event type").select_option("cost_tracked")
    page.get_by_label("Severity").select_option("info")
    page.get_by_label("Type of entity").select_option("resource")
    page.get_by_label("Entity id").fill("a_alpha")
    page.get_by_label("Entity id").press("Tab")
    page.get_by_label("Search events").fill("15 tokens")
    expect(events).to_have_count(1)
    in_address(
        page, "channel=lifecycle%2Cenforcement", "type=cost_tracked", "severity=info",
        "entity=resource", "id=a_alpha", "q=15+tokens",
    )  # fmt: skip
    page.reload()
    expect(events).to_have_count(1)
    expect(page.get_by_label("Entity id")).to_have_value("a_alpha")
    expect(page.get_by_label("Type of entity")).to_have_value("resource")
    expect(page.get_by_role("button", name="lifecycle", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )


def test_a_filtered_list_goes_on_live(page: Page, served: Served, rail: FakeRail) -> None:
    a_mission(rail)
    events = opened(page, served, "?id=r_alpha")
    expect(events).to_have_count(3)
    rail.move("a_alpha", "succeed")
    rail.move("r_alpha", "succeed")
    expect(events).to_have_count(4)
    page.get_by_role("button", name="Pause").click()
    rail.move("m_alpha", "succeed")
    rail.spend("r_alpha", 1, 1, 0.1)
    # Of what waits only that is counted which will be shown.
    page.get_by_role("button", name="1 new").click()
    expect(events).to_have_count(5)


def test_what_a_filter_wants_is_found_beyond_the_pages_memory(
    page: Page, served: Served, rail: FakeRail
) -> None:
    a_mission(rail, "m_old")
    rail.create("mission", "m_new")
    for number in range(5_100):
        rail.publish("tt_first_signal", "m_new", tt_first_signal_ms=number)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    events = opened(page, served, "?id=m_old&type=state_changed")
    expect(events).to_have_count(15)
    assert any("mission_id=m_old" in url and "event_type=state_changed" in url for url in asked)


def test_an_events_sheet_leads_to_what_else_happened_to_its_entity(
    page: Page, served: Served, rail: FakeRail
) -> None:
    a_mission(rail)
    events = opened(page, served, "?entity=attempt")
    events.first.click()
    page.get_by_role("dialog").get_by_role("link", name="Its events, live").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_label("Entity id")).to_have_value("a_alpha")
    expect(events).to_have_count(6)


def test_the_ingest_rate_is_of_the_servers_counters(page: Page, served: Served) -> None:
    taken: dict[str, Any] = {"spans": 900, "log_records": 90, "metric_points": 10}
    moment = 0

    def snapshot(route: Any) -> None:
        nonlocal moment
        moment += 1
        told = {name: each + moment * 50 for name, each in taken.items()}
        at = f"2026-05-01T09:{moment // 60:02}:{moment % 60:02}.000000000Z"
        route.fulfill(json={"timestamp": at, "received": told})

    page.route("**/telemetry/snapshot", snapshot)
    opened(page, served)
    # Three kinds, fifty of each a second.
    expect(page.locator("[data-tile=ingest] .tile-value")).to_have_text("150/s")
