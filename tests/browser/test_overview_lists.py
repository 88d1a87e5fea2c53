"""The overview's numbers that the server tells, and the list of all missions there ever were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect
from tests.browser.fake_rail import FakeRail, Served
from tests.browser.scenes import a_mission

pytestmark = pytest.mark.browser


def told(answer: dict[str, Any]) -> Callable[[Route], None]:
    """Answer a request so."""
    return lambda route: route.fulfill(json=answer)


ALL_OF = 100_000


def test_any_of_a_hundred_thousand_missions_is_reached_at_once(
    page: Page, served: Served, rail: FakeRail
) -> None:
    reads: list[dict[str, int]] = []

    def missions(route: Route) -> None:
        asked = parse_qs(urlsplit(route.request.url).query)
        cursor, skip, limit = (
            int(asked.get(name, ["0"])[0]) for name in ("cursor", "skip", "limit")
        )
        reads.append({"cursor": cursor, "skip": skip})
        begin = cursor + skip
        rows = [
            {"entity_type": "mission", "entity_id": f"m_{at}", "mission_id": f"m_{at}",
             "state": "succeeded", "created_at": "2026-05-01T09:30:00.000000000Z"}
            for at in range(begin, min(ALL_OF, begin + limit))
        ]  # fmt: skip
        following = str(begin + limit) if begin + limit < ALL_OF else None
        route.fulfill(
            json={"missions": rows, "limit": limit, "first_cursor": str(begin + 1),
                  "next_cursor": following}
        )  # fmt: skip

    page.route("**/v1/missions?paged*", missions)
    counted = {**rail.snapshot(), "entity_counts": {"missions": ALL_OF}}
    page.route("**/telemetry/snapshot", lambda route: route.fulfill(json=counted))
    page.goto(f"{served.address}/neurorail/trace?all=1")
    panel = page.locator("[data-panel=missions]")
    expect(panel.locator(".panel-note")).to_have_text("1 of 100K")
    expect(panel.locator('[data-mission="m_0"]')).to_be_visible()
    panel.locator(".list").evaluate("(list) => (list.scrollTop = 60_000 * 34)")
    expect(panel.locator('[data-mission="m_60000"]')).to_be_visible()
    expect(panel.locator(".panel-note")).to_have_text("60,001 of 100K")
    panel.locator(".list").focus()
    page.keyboard.press("End")
    expect(panel.locator('[data-mission="m_99999"]')).to_be_visible()
    # The last row may not have the focus yet that its placeholder had.
    panel.locator(".list").press("Home")
    expect(panel.locator('[data-mission="m_0"]')).to_be_visible()
    # Neither place was come to page by page, and few of the rows are held.
    assert len(reads) < 20
    assert int(panel.locator(".panel-note").get_attribute("data-held") or 0) < 10_000


def test_a_mission_that_begins_is_the_first_of_all_and_goes_on(
    page: Page, served: Served, rail: FakeRail
) -> None:
    a_mission(rail, "m_before")
    page.goto(f"{served.address}/neurorail/trace?all=1")
    rows = page.locator("[data-mission]")
    expect(rows).to_have_count(1)
    a_mission(rail, "m_after")
    expect(rows).to_have_count(2)
    expect(rows.first).to_have_attribute("data-mission", "m_after")
    expect(rows.first.locator(".state")).to_have_text("running")
    rail.move("m_after", "fail")
    rail.move("m_before", "succeed")
    expect(rows.first.locator(".state")).to_have_text("failed")
    expect(rows.last.locator(".state")).to_have_text("succeeded")


def test_the_overview_tells_of_spend_refusals_and_circuits(page: Page, served: Served) -> None:
    pool = {"agent": "writer", "ends_at": None, "rolling_ms": 3_600_000, "limits": [
        {"kind": "cost_usd", "limit": 10, "consumed": 9, "held": 0, "left": 1}]}  # fmt: skip
    answers: dict[str, dict[str, Any]] = {
        "**/v1/usage?*": {"groups": [{"cost_usd": 4.5}]},
        "**/v1/budgets": {"budgets": [pool]},
        "**/governor/v1/stats": {"refused_count": 3, "total_decisions": 40},
        "**/reflex/breakers": {"breakers": [{"state": "open"}, {"state": "closed"}], "total": 2},
    }
    for path, answer in answers.items():
        page.route(path, told(answer))
    page.goto(f"{served.address}/neurorail/")
    for name, value, note in (
        ("spend", "$4.50", "writer cost_usd 90% used"),
        ("refusals", "3", "of 40 decisions"),
        ("circuits", "1", "of 2 that ever opened"),
    ):
        tile = page.locator(f"[data-tile={name}]")
        expect(tile.locator(".tile-value")).to_have_text(value)
        expect(tile.locator(".tile-note")).to_have_text(note)
