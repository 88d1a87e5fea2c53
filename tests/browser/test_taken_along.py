"""Each list of each page as CSV and as JSON: as many rows as the list has, and the same in both."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.announcing import announcing
from tests.end_to_end.rail import Rail, until
from tests.support.process import running_server
from tests.support.scene import ENTITIES, overspent

pytestmark = pytest.mark.browser

MANIFEST = Path(__file__).parents[2] / "docs" / "manifests" / "personal-data.yaml"
LISTS: dict[str, tuple[str, str | None, str]] = {
    "missions": ("", None, "[data-panel=missions] .list"),
    "events": ("?type=retry_attempted", None, "[data-panel=events] .list"),
    "missions found": ("trace", None, "[data-panel=missions] .list"),
    "all missions": ("trace?all=1", None, "[data-panel=missions] .list"),
    "chain": ("trace?mission={mission}", None, "[data-panel=chain] .tree"),
    "events of a mission": ("trace?mission={mission}", "events", ".inspector .list"),
    "transitions of a mission": ("trace?mission={mission}", "transitions", ".steps"),
    "spans of a mission": ("trace?mission={mission}", "spans", ".inspector .scroll"),
    "transitions": ("lifecycle", "transitions", ".moves .list"),
    "rejected": ("lifecycle", "rejected", ".moves .list"),
    "orphans": ("lifecycle", "orphans", ".moves .list"),
    "late": ("lifecycle", "late", ".moves .list"),
    "open missions": ("lifecycle", None, "[data-panel=active] .list"),
    "breakers": ("reflex", None, ".cards"),
    "directives": ("reflex", None, "[data-panel=directives] .list"),
    "actions": ("reflex", "actions", ".moves .list"),
    "triggers": ("reflex", "triggers", ".moves .list"),
    "circuits": ("reflex", "circuits", ".moves .list"),
    "lifecycle": ("reflex", "lifecycle", ".moves .list"),
    "agents": ("reflex", "agents", ".moves .list"),
    "violations": ("budget", None, "[data-panel=violations] .list"),
    "trend": ("budget", None, "[data-panel=trend] .time-chart"),
    "budgets used": ("budget", "missions", "[data-panel=near] .uses"),
    "pools": ("budget", "pools", "[data-panel=near] .scroll"),
    "spend": ("budget", None, "[data-panel=spend] .uses"),
    "questions": ("governor", None, "[data-panel=confirmations] .cards"),
    "manifests": ("governor", None, "[data-panel=manifests] .list"),
    "decisions": ("governor", "decisions", ".moves .list"),
    "differed": ("governor", "diverged", ".moves .list"),
    "answers": ("governor", "answers", ".moves .list"),
    "changes": ("governor", "changes", ".moves .list"),
    "backtests": ("governor", "backtests", ".moves .list"),
    "trail": ("audit", None, "[data-panel=audit] .list"),
    "checkpoints": ("audit?view=checkpoints", None, "[data-panel=checkpoints] .list"),
    "keys": ("access", None, "[data-panel=keys] .list"),
    "denials": ("access", None, "[data-panel=denials] .list"),
    "acts": ("access", None, "[data-panel=acts] .list"),
}
"""Each list: its page, the tab that shows it, and where it is."""
EMPTY = {
    "rejected", "orphans", "late", "open missions", "triggers", "pools", "differed", "backtests",
    "checkpoints", "keys", "denials", "manifests", "questions", "answers", "changes",
}  # fmt: skip
"""Lists that may have nothing to take along here: their buttons are there, and off."""


class Scene:
    """A server, and a mission on it."""

    def __init__(self, rail: Rail) -> None:
        self.rail = rail
        self.mission = overspent(rail).mission
        for path, body in (
            ("neurorail/v1/reflex/kill", {"scope": {"agent": "runaway"}, "reason": "a test"}),
            ("neurorail/v1/reflex/open", {"scope": {"model": "m-1"}, "reason": "a test"}),
            ("governor/v1/manifests", {"source": MANIFEST.read_text(encoding="utf-8")}),
            ("governor/v1/decide", {"job_type": "llm_call"}),
        ):
            answer = httpx2.post(f"{rail.server.api}/api/{path}", json=body, timeout=60)
            assert answer.status_code in (200, 201), answer.text
        rail.all_is_stored()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_server(tmp_path_factory.mktemp("along") / "data") as server:
        yield Scene(Rail(server))


def taken(page: Page, buttons: Locator, form: str, folder: Path) -> Path:
    """The file that a button gives."""
    with page.expect_download() as downloading:
        buttons.get_by_text(form, exact=True).click()
    name = downloading.value.suggested_filename
    assert name.startswith("neurorail-") and name.endswith(f".{form.lower()}")  # noqa: PT018
    downloading.value.save_as(folder / name)
    return folder / name


STANDS = """
(listed) => {
  const { disabled } = listed.parentElement.closest("section").querySelector(".export button");
  const said = listed.getAttribute("aria-rowcount");
  const heads = listed.querySelectorAll(".list-head, .tree-head").length;
  return [disabled, said === null ? null : Number(said) - heads];
}
"""
"""At one moment: whether there is nothing to take along, and how many rows a list says it has."""


@pytest.mark.parametrize("name", list(LISTS))
def test_a_list_is_taken_along(scene: Scene, deck: Page, tmp_path: Path, name: str) -> None:
    with announcing(scene.rail.server.api, instance_id="crew-1", agent="=1+1"):
        is_taken_along(scene, deck, tmp_path, name)


def is_taken_along(scene: Scene, deck: Page, tmp_path: Path, name: str) -> None:
    path, tab, where = LISTS[name]
    deck.goto(f"{scene.rail.server.api}/neurorail/{path.format(mission=scene.mission)}")
    expect(deck.locator(".connection")).to_have_text("Live")
    if tab is not None:
        deck.locator(f"[data-tab={tab}]").click()
        expect(deck.locator(f"[data-tab={tab}]")).to_have_attribute("aria-selected", "true")
    listed = deck.locator(where).first
    expect(listed).to_be_visible()
    expect(deck.locator(".skeleton")).to_have_count(0)
    buttons = listed.locator("xpath=ancestor::section[1]").locator(".export")
    expect(buttons).to_have_count(1)
    expect(buttons.locator("button")).to_have_count(2)
    nothing, rows = listed.evaluate(STANDS)
    if nothing and name in EMPTY:
        assert rows in (0, None)
        return
    if name == "all missions":
        expect(listed.locator("[data-mission]").first).to_be_visible()

    def both() -> tuple[list[dict[str, Any]], list[dict[str, Any]]] | None:
        """The rows in both forms, of a list that did not grow meanwhile."""
        expect(buttons.locator("button").first).to_be_enabled()
        before = listed.evaluate(STANDS)
        held = json.loads(taken(deck, buttons, "JSON", tmp_path).read_text(encoding="utf-8"))
        with taken(deck, buttons, "CSV", tmp_path).open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        return (held, lines) if listed.evaluate(STANDS) == before else None

    held, lines = until("the list stands still", both)
    rows = listed.evaluate(STANDS)[1]
    assert len(held) == len(lines) > 0
    assert list(held[0]) == list(lines[0])
    if rows is not None:
        assert len(held) == rows
    if name == "chain":
        assert len(held) == ENTITIES
    if name == "agents":
        # No spreadsheet runs it.
        assert (held[0]["agent"], lines[0]["agent"]) == ("=1+1", "'=1+1")
