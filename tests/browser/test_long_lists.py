"""Lists of more rows than a page should hold: the end, the middle and a moment are reachable."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.browser.looking import leave_sheet
from tests.end_to_end.rail import MS, Chain, Rail, config_file, until
from tests.support.process import running_server

pytestmark = pytest.mark.browser

LIST = '[data-panel="audit"] .list'
ROW_PX = 34
WALK = """
async (module) => {
  const { RowRange, PAGE } = await import(module);
  const all = 1_000_000;
  let reads = 0, most = 0, skipped = 0;
  // Rows are their own places; a cursor is the place of the row it follows.
  const range = new RowRange(async ({ cursor, skip, upward, limit }) => {
    reads += 1;
    if (skip) skipped += 1;
    const at = cursor === "" ? -1 : Number(cursor);
    const from = upward ? Math.max(0, at - limit) : at + 1 + skip;
    const to = upward ? at : Math.min(all, from + limit);
    const rows = Array.from({ length: to - from }, (_, step) => from + step);
    if (upward) rows.reverse();
    const next = upward ? (from > 0 ? String(from) : null) : (to < all ? String(to - 1) : null);
    return { rows, first: String(upward ? to - 1 : from), next, total: all };
  }, String, (a, b) => b - a);
  await range.fill();
  const wrong = [];
  async function look(from) {
    range.look(from, from + 40);
    while (range.busy) await new Promise((done) => setTimeout(done, 0));
    most = Math.max(most, range.held);
    range.slice(from, from + 40).forEach((row, step) => {
      if (row !== from + step) wrong.push(from + step);
    });
  }
  for (let at = 0; at < 100_000; at += 700) await look(at);
  const walked = skipped;
  for (const at of [399_900, 250_000, 249_000, 248_000, 3, 120_000]) await look(at);
  for (let at = 399_000; at > 300_000; at -= 700) await look(at);
  return { wrong, most, walked, jumped: skipped - walked, length: range.length };
}
"""


@pytest.fixture(scope="module")
def rail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rail]:
    """A server with a few thousand events, and no more by itself."""
    folder = tmp_path_factory.mktemp("long")
    config = config_file(folder, metrics={"snapshot_interval_s": 0})
    with running_server(folder / "data", "--config", str(config)) as server:
        rail = Rail(server)
        now = time.time_ns()
        for _ in range(4):
            chain = Chain()
            spans = [chain.span(at, 1, times=(now - MS, now), gen_ai__operation__name="chat")
                     for at in range(1, 200)]  # fmt: skip
            rail.send_spans(*spans)
        until("all is stored", lambda: rail.get("/audit/events", limit=1)["total"] > 4_000)
        rail.all_is_stored()
        yield rail


def settled(deck: Page) -> None:
    """Every row in sight was read."""
    expect(deck.locator(f"{LIST} .list-row[data-type]").first).to_be_visible()
    expect(deck.locator(f"{LIST} [aria-busy]")).to_have_count(0)


def shown(deck: Page, index: int) -> str:
    """The id of the event in a row, as its sheet says it."""
    # Not what stands there until the row was read.
    row = deck.locator(f'{LIST} [data-index="{index}"][data-type]')
    row.click(position={"x": 40, "y": 10})
    sheet = deck.locator("dialog[open]")
    event_id: str = sheet.locator(".facts dd.id").first.inner_text()
    leave_sheet(deck)
    return event_id


def test_the_whole_trail_is_one_list(rail: Rail, deck: Page) -> None:
    deck.goto(f"{rail.server.api}/neurorail/audit")
    settled(deck)
    total = rail.get("/audit/events", limit=1)["total"]
    expect(deck.locator(f"{LIST}")).to_have_attribute("aria-rowcount", str(total + 1))
    deck.locator(LIST).focus()
    deck.keyboard.press("End")
    settled(deck)
    last = deck.locator(f'{LIST} [data-index="{total - 1}"]')
    expect(last).to_be_focused()
    (oldest,) = rail.get("/audit/events", limit=1, order="oldest")["events"]
    assert shown(deck, total - 1) == oldest["audit_id"]

    middle = total // 2
    deck.evaluate(f"document.querySelector('{LIST}').scrollTop = {middle * ROW_PX}")
    settled(deck)
    (event,) = rail.get("/audit/events", limit=1, skip=middle)["events"]
    assert shown(deck, middle) == event["audit_id"]
    deck.locator(f'{LIST} [data-index="{middle}"]').focus()
    deck.keyboard.press("PageUp")
    deck.keyboard.press("Home")
    expect(deck.locator(f'{LIST} [data-index="0"]')).to_be_focused()
    # Rows that are out of sight go when the list draws itself again.
    until("few rows exist", lambda: deck.locator(f"{LIST} .list-row").count() < 60)


def test_rows_that_come_wait_while_one_looks_at_older_ones(rail: Rail, deck: Page) -> None:
    deck.goto(f"{rail.server.api}/neurorail/audit?type=audit_logged")
    for number in range(60):
        rail.client.post_json(
            "/api/neurorail/v1/audit/log",
            {"event_type": "note", "event_category": "governance", "severity": "info",
             "message": f"note {number}"},
        )  # fmt: skip
    expect(deck.locator(LIST)).to_have_attribute("aria-rowcount", "61")
    deck.locator(LIST).focus()
    deck.keyboard.press("End")
    expect(deck.locator(f'{LIST} [data-index="59"]')).to_be_focused()
    rail.client.post_json(
        "/api/neurorail/v1/audit/log",
        {"event_type": "note", "event_category": "governance", "severity": "info",
         "message": "one more"},
    )  # fmt: skip
    deck.get_by_role("button", name="1 new").click()
    expect(deck.locator(LIST)).to_have_attribute("aria-rowcount", "62")
    expect(deck.locator(f'{LIST} [data-index="0"]')).to_be_in_viewport()


def test_a_moment_is_gone_to(rail: Rail, deck: Page) -> None:
    deck.goto(f"{rail.server.api}/neurorail/audit")
    settled(deck)
    deck.get_by_label("Go to a time").fill("2020-01-01T00:00:00")
    deck.get_by_label("Go to a time").press("Tab")
    total = rail.get("/audit/events", limit=1)["total"]
    expect(deck.locator(f'{LIST} [data-index="{total - 1}"]')).to_be_in_viewport()


MISSIONS = 1_300


def test_the_list_of_all_missions_leads_to_any_of_them(
    rail: Rail, deck: Page, tmp_path: Path
) -> None:
    now = time.time_ns()
    for _ in range(MISSIONS // 100):
        rail.send_spans(*(Chain().entity("mission", 1, times=(now - MS, now)) for _ in range(100)))
    rail.all_is_stored()
    total = rail.get("/telemetry/snapshot")["entity_counts"]["missions"]
    assert total >= MISSIONS
    deck.goto(f"{rail.server.api}/neurorail/trace?all=1")
    listed = deck.locator('[data-panel="missions"] .list')
    expect(listed).to_have_attribute("aria-rowcount", str(total + 1))
    listed.focus()
    for key, place in (("End", total - 1), ("Home", 0)):
        deck.keyboard.press(key)
        (mission,) = rail.get("/missions", paged=True, limit=1, skip=place)["missions"]
        row = listed.locator(f'[data-index="{place}"][data-mission]')
        expect(row).to_have_attribute("data-mission", mission["entity_id"])
    middle = 700
    listed.evaluate(f"(list) => (list.scrollTop = {middle * ROW_PX})")
    (mission,) = rail.get("/missions", paged=True, limit=1, skip=middle)["missions"]
    expect(listed.locator(f'[data-index="{middle}"]')).to_have_attribute(
        "data-mission", mission["entity_id"]
    )
    with deck.expect_download() as downloading:
        deck.get_by_role("group", name="Export missions").get_by_text("JSON").click()
    downloading.value.save_as(tmp_path / "missions.json")
    rows = json.loads((tmp_path / "missions.json").read_text(encoding="utf-8"))
    assert len({row["entity_id"] for row in rows}) == total


def test_an_export_has_every_row_and_not_only_those_read(
    rail: Rail, deck: Page, tmp_path: Path
) -> None:
    total = rail.get("/audit/events", limit=1)["total"]
    deck.goto(f"{rail.server.api}/neurorail/audit")
    settled(deck)
    for form in ("csv", "json"):
        with deck.expect_download() as downloading:
            deck.get_by_role("group", name="Export audit").get_by_text(form.upper()).click()
        downloading.value.save_as(tmp_path / f"audit.{form}")
    rows: list[dict[str, Any]] = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert len({row["id"] for row in rows}) == len(rows)
    assert total <= len(rows) <= rail.get("/audit/events", limit=1)["total"]
    lines = (tmp_path / "audit.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("id,received_at")
    # One more may have come between the two.
    assert [line.split(",")[0] for line in lines[1:]] == [row["id"] for row in rows][
        1 - len(lines) :
    ]


def test_who_did_what_reaches_back_to_the_first_act(rail: Rail, deck: Page) -> None:
    for number in range(130):
        rail.client.post_json(
            "/api/neurorail/v1/audit/log",
            {"event_type": "act", "event_category": "governance", "severity": "info",
             "message": f"act {number}"},
        )  # fmt: skip
    acts = rail.get("/audit/events", limit=1, event_type="audit_logged")["total"]
    assert acts >= 130
    deck.goto(f"{rail.server.api}/neurorail/access")
    listed = deck.locator('[data-panel="acts"] .list')
    expect(listed).to_have_attribute("aria-rowcount", str(acts + 1))


def test_a_million_rows_are_walked_and_jumped_through_with_few_of_them_held(
    rail: Rail, deck: Page
) -> None:
    deck.goto(f"{rail.server.api}/neurorail/")
    found = deck.evaluate(WALK, f"{rail.server.api}/neurorail/app/row-range.js")
    assert found["wrong"] == []
    assert found["length"] == 400_000
    assert found["most"] <= 21_000
    # Walking goes from page to page by keys, both ways; only jumps pass rows over.
    assert found["walked"] == 0
    assert found["jumped"] <= 20


MOVED = """
async (module) => {
  const { moveMissions } = await import(module);
  const data = { entity_type: "mission" };
  const event = (type, data, atMs) => ({ type, data, atMs, missionId: "m_1" });
  const pending = event("state_changed", { ...data, to_state: "pending" }, 5_000);
  const created_at_unix_nano = 1_790_000_000_123_456_789;
  const ended = event("metrics_recorded", { ...data, created_at_unix_nano }, 9_000);
  const [heard] = moveMissions([], [pending], 10);
  const [known] = moveMissions([heard], [ended], 10);
  return [heard, known].map(({ createdMs, guessed }) => [createdMs, guessed]);
}
"""


def test_a_mission_known_from_events_is_placed_by_when_it_was_created(
    rail: Rail, deck: Page
) -> None:
    """Events come later than what they tell of: by their times it would be newer than it is."""
    deck.goto(f"{rail.server.api}/neurorail/")
    module = f"{rail.server.api}/neurorail/app/mission-rows.js"
    assert deck.evaluate(MOVED, module) == [[5_000, True], [1_790_000_000_123, False]]
