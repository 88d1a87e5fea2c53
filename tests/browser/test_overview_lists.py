"""The overview's numbers that the server tells, and the list of all missions there ever were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect
from tests.browser.fake_rail import FakeRail, Served

pytestmark = pytest.mark.browser


def told(answer: dict[str, Any]) -> Callable[[Route], None]:
    """Answer a request so."""
    return lambda route: route.fulfill(json=answer)


def test_the_list_of_all_missions_is_as_long_as_there_are_missions(
    page: Page, served: Served, rail: FakeRail
) -> None:
    all_of, each = 2_400, 1_000

    def missions(route: Route) -> None:
        asked = parse_qs(urlsplit(route.request.url).query)
        begin = int(asked.get("cursor", ["0"])[0])
        rows = [
            {"entity_type": "mission", "entity_id": f"m_{at}", "mission_id": f"m_{at}",
             "state": "succeeded"}
            for at in range(begin, min(all_of, begin + each))
        ]  # fmt: skip
        following = str(begin + each) if begin + each < all_of else None
        route.fulfill(json={"missions": rows, "limit": each, "next_cursor": following})

    page.route("**/v1/missions?paged*", missions)
    counted = {**rail.snapshot(), "entity_counts": {"missions": all_of}}
    page.route("**/telemetry/snapshot", lambda route: route.fulfill(json=counted))
    page.goto(f"{served.address}/neurorail/trace?all=1")
    panel = page.locator("[data-panel=missions]")
    expect(panel.locator(".panel-note")).to_have_text("1 of 2,400")
    expect(panel.locator('[data-mission="m_0"]')).to_be_visible()
    panel.locator(".list").evaluate("(list) => (list.scrollTop = 2_000 * 34)")
    expect(panel.locator('[data-mission="m_2000"]')).to_be_visible()
    expect(panel.locator(".panel-note")).to_have_text("2,001 of 2,400")
    panel.locator(".list").focus()
    page.keyboard.press("End")
    expect(panel.locator('[data-mission="m_2399"]')).to_be_visible()


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
