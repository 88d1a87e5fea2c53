"""What ControlDeck says in numbers is what there is, and is called what it is."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.browser.fake_rail import FakeRail, Served
from tests.browser.scenes import a_mission

pytestmark = pytest.mark.browser


def open_page(page: Page, served: Served, path: str) -> None:
    page.goto(f"{served.address}/neurorail/{path}")
    expect(page.locator(".connection")).to_have_text("Live")


def broken(rail: FakeRail, entity: str, kind: str, limit: int, consumed: int, **more: Any) -> None:
    """Tell that a limit broke."""
    scope = {"entity_type": rail.entities[entity].type, "entity_id": entity}
    rail.publish(
        "budget_violation", entity, violation_type=kind, limit=limit, consumed=consumed,
        scope=scope, code="NR-E002", **more,
    )  # fmt: skip


def test_limits_that_broke_come_first_whoever_had_them(
    page: Page, served: Served, rail: FakeRail
) -> None:
    a_mission(rail)
    own = {
        "kind": "tokens", "limit": 100, "consumed": 9, "held": 0, "left": 91,
        "rule_id": "own_budget", "severity": "enforce",
    }  # fmt: skip
    books = {"entity_type": "mission", "entity_id": "m_alpha", "limits": [own]}
    page.route(
        "**/v1/budgets?entity_type=mission*",
        lambda route: route.fulfill(json={"budgets": [books]}),
    )
    broken(rail, "j_alpha", "tokens", 8_000, 9_000)
    broken(rail, "j_alpha", "tokens", 8_000, 10_582)
    broken(rail, "j_alpha", "timeout", 2_000, 2_000)
    broken(rail, "m_alpha", "tool_calls", 3, 4, rule_id="few-tools", severity="warn")
    # Raised since: the books know better.
    broken(rail, "m_alpha", "tokens", 5, 9)
    # Of a pool: it has a list of its own.
    rail.publish(
        "budget_violation", "m_alpha", violation_type="cost", limit=1, consumed=2,
        scope={"agent": "researcher"}, code="NR-E002",
    )  # fmt: skip
    open_page(page, served, "budget")
    uses = page.locator("[data-panel=near] .use")
    expect(uses).to_have_count(4)
    for at, (says, share) in enumerate(
        (
            ("mission · tool calls · few-tools (warn)", "133%"),
            ("job · time", "100%"),
            ("job · tokens", "132%"),
        )
    ):
        expect(uses.nth(at)).to_have_attribute("data-level", "over")
        expect(uses.nth(at)).to_contain_text(says)
        expect(uses.nth(at).locator(".use-share")).to_have_text(share)
    expect(uses.nth(1)).to_contain_text("broken, ")
    expect(uses.nth(2)).to_contain_text("broken by 2,582, ")
    expect(uses.last.locator(".use-share")).to_have_text("9.0%")
    uses.nth(2).get_by_role("link").click()
    expect(page).to_have_url(f"{served.address}/neurorail/trace?mission=m_alpha&entity=j_alpha")


def test_calls_without_a_name_are_called_what_they_are(page: Page, served: Served) -> None:
    def group(model: str | None, tool: str | None, calls: int, tokens: int) -> dict[str, Any]:
        return {
            "model": model, "tool": tool, "provider": None, "calls": calls, "unpriced_calls": 0,
            "input_tokens": tokens, "output_tokens": 0, "total_tokens": tokens,
            "cost_usd": tokens / 1000,
        }  # fmt: skip

    groups = [
        group("gpt-5-mini", None, 24, 900), group(None, None, 1, 30), group(None, "search", 10, 0),
        group(None, "fetch", 2, 0),
    ]  # fmt: skip
    page.route("**/v1/usage?group_by*", lambda route: route.fulfill(json={"groups": groups}))
    open_page(page, served, "budget")
    names = page.locator("[data-panel=spend] .use-name")
    expect(names).to_have_text(
        ["gpt-5-mini 24 calls · 900 tokens", "not named 1 call · 30 tokens", "tool calls 12 calls"]
    )
    page.get_by_label("Spend by", exact=True).select_option("tool")
    expect(names).to_have_text(
        [
            "model calls 24 calls · 900 tokens", "not named 1 call · 30 tokens", "search 10 calls",
            "fetch 2 calls",
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ((0.1, 0.2), (0.3, 0.0), "same"),
        ((0.0025, 0.0), (0.0025, 0.0000002), "+$0.0000002 (+<0.1%)"),
        ((0.004, 0.0), (0.003, 0.0), "−$0.0010 (−25%)"),
    ],
)
def test_a_difference_is_none_or_a_number(
    page: Page, served: Served, rail: FakeRail, first: Any, second: Any, says: str
) -> None:
    for name, costs in (("one", first), ("two", second)):
        resource = a_mission(rail, f"m_{name}")
        for cost in costs:
            rail.spend(resource, 10, 1, cost)
        rail.move(f"m_{name}", "succeed")
    open_page(page, served, "trace?mission=m_one&compare=m_two")
    expect(page.locator("[data-measure=Cost] [data-change]")).to_have_text(says)
