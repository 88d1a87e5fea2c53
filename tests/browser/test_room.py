"""What matters fits: nothing of it is out of sight on a small screen, or on a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from tests.browser.fake_rail import FakeRail, Served
from tests.browser.scenes import a_mission

pytestmark = pytest.mark.browser

KEY = {
    "key_id": "k_1", "prefix": "nrk_01a21c82", "name": "night operators", "role": "admin",
    "permissions": ["read:audit"], "agent": None, "created_at": "2026-05-01T09:30:00Z",
    "expires_at": None, "revoked_at": None, "last_used_at": None,
}  # fmt: skip
DIRECTIVE = {
    "directive_id": "d_1", "action": "suspend", "code": "NR-E002", "rule": None,
    "scope": {"entity_type": "job", "entity_id": "j_70a7c5073c934630a8556f424455240e"},
    "reason": "job used up its tokens budget", "ttl_ms": None, "circuit_id": None,
    "issued_at": "2026-05-01T09:30:00Z",
}  # fmt: skip
PAGES = {
    "": "[data-panel=missions] .list-row",
    "trace": "[data-panel=missions] .list-row",
    "trace?mission=m_alpha": "[data-entity]",
    "trace?mission=m_alpha&compare=m_beta": "[data-measure]",
    "lifecycle": "[data-panel=moves] .list-row",
    "budget": "[data-violation]",
    "reflex": "[data-directive]",
    "audit": "[data-panel=audit] .list-row",
    "access": "[data-key]",
}
"""What is there when a page has drawn itself."""
TOO_WIDE = """() => [...document.querySelectorAll(".panel .scroll")]
  .filter((box) => box.scrollWidth > box.clientWidth)
  .map((box) => [box.closest("[data-panel]").dataset.panel, box.scrollWidth, box.clientWidth])"""


@pytest.fixture
def broken(rail: FakeRail) -> None:
    """Two missions that ended well, one over its budget."""
    for name in ("alpha", "beta"):
        resource = a_mission(rail, f"m_{name}")
        rail.spend(resource, 10_000, 582, 0.000178)
        if name == "beta":
            rail.publish(
                "budget_violation", f"j_{name}", violation_type="tokens", limit=8_000,
                consumed=10_582, code="NR-E002",
                scope={"entity_type": "job", "entity_id": f"j_{name}"},
            )  # fmt: skip
            rail.entities[f"m_{name}"].flags.append("over_budget")
        for level in "rajpm":
            rail.move(f"{level}_{name}", "succeed")
    rail.run("mission", "m_open", agent="overtime", service="desk")


def told(answer: dict[str, Any]) -> Callable[[Route], None]:
    """Answer a request so."""
    return lambda route: route.fulfill(json=answer)


def open_page(page: Page, served: Served, path: str) -> None:
    answers: dict[str, Any] = {
        "**/v1/rbac/keys*": {"keys": [KEY]},
        "**/v1/reflex/directives*": {"directives": [DIRECTIVE], "total": 1},
    }
    for pattern, answer in answers.items():
        page.route(pattern, told(answer))
    page.goto(f"{served.address}/neurorail/{path}")
    expect(page.locator(".connection")).to_have_text("Live")


@pytest.mark.usefixtures("broken")
def test_no_column_is_out_of_sight_on_a_small_screen(page: Page, served: Served) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    for path, drawn in PAGES.items():
        open_page(page, served, path)
        expect(page.locator(drawn).first).to_be_visible()
        assert page.evaluate(TOO_WIDE) == [], path


@pytest.mark.usefixtures("broken")
def test_a_phone_shows_which_mission_broke_a_rule_and_what_differs(
    page: Page, served: Served
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_page(page, served, "trace")
    expect(page.locator('[data-mission="m_beta"] .broke')).to_be_in_viewport(ratio=1)
    title = page.locator('[data-mission="m_beta"] .broke').get_attribute("title") or ""
    assert "over_budget" in title
    expect(page.locator('[data-mission="m_alpha"] .broke')).to_have_count(0)
    open_page(page, served, "trace?mission=m_alpha&compare=m_beta")
    difference = page.locator("[data-measure=Cost] [data-change]")
    expect(difference).to_have_text("same")
    expect(difference).to_be_in_viewport(ratio=1)


def test_a_phone_shows_the_missions_that_there_is_room_for(
    page: Page, served: Served, rail: FakeRail
) -> None:
    for at in range(10):
        rail.run("mission", f"m_{at}", agent="writer")
    page.set_viewport_size({"width": 390, "height": 844})
    open_page(page, served, "trace")
    expect(page.locator("[data-mission]")).to_have_count(10)
    for at in range(10):
        expect(page.locator(f'[data-mission="m_{at}"] a')).to_be_in_viewport(ratio=1)
