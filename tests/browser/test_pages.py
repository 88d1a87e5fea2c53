"""The pages on a whole server with real telemetry: each number is what the API says."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Complaints
from tests.browser.looking import in_address
from tests.end_to_end.rail import LEVELS, SECOND, Chain, Rail, lifecycle_log, until
from tests.support.process import running_server
from tests.support.scene import ENTITIES, overspent

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def rail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rail]:
    """A server of this module's own."""
    with running_server(tmp_path_factory.mktemp("pages") / "data") as server:
        yield Rail(server)


def spans_of(rail: Rail, chain: Chain) -> list[Any]:
    """The spans of a mission that are archived."""
    found: list[Any] = rail.get(f"/missions/{chain.mission}/spans")["spans"]
    return found


def begin(rail: Rail, chain: Chain, *levels: str) -> None:
    """Reports that entities run."""
    now = time.time_ns()
    for level in levels:
        depth = LEVELS.index(level) + 1
        told = {
            "neurorail.entity.type": level,
            "neurorail.transitions": ["create", "enqueue", "start"],
            "neurorail.transition.times_unix_nano": [now] * 3,
        }
        rail.send("logs", lifecycle_log(chain.attributes(depth, **told), now))


def opened(deck: Page, rail: Rail, path: str = "") -> None:
    """Opens a page and waits until its stream is live."""
    deck.goto(f"{rail.server.api}/neurorail/{path}")
    expect(deck.locator(".connection")).to_have_text("Live")


def tile(deck: Page, name: str) -> Any:
    return deck.locator(f'[data-tile="{name}"] .tile-value')


def test_the_overview_shows_the_servers_counts(deck: Page, rail: Rail) -> None:
    chain = overspent(rail)
    opened(deck, rail)
    expect(deck.locator(f'[data-mission="{chain.mission}"]')).to_contain_text("browser-test")
    said = rail.get("/telemetry/snapshot")
    tokens = said["totals"]["input_tokens"] + said["totals"]["output_tokens"]
    expect(tile(deck, "tokens")).to_have_text(f"{tokens:,}")
    expect(tile(deck, "violations")).to_have_text(f"{said['totals']['violations']:,}")
    expect(deck.locator('[data-tile="missions"] .tile-note')).to_have_text(
        f"{said['entity_counts']['missions']:,} in all"
    )
    own = deck.locator(f'a[href*="{chain.mission}"]')
    event = deck.locator('.event[data-type="budget_violation"]', has=own)
    deck.get_by_role("searchbox", name="Search events").fill("budget_violation")
    event.click()
    sheet = deck.get_by_role("dialog")
    expect(sheet).to_contain_text("tokens 400 of 100")
    sheet.get_by_role("link", name="Open its trace").click()
    expect(deck.locator('[data-panel="chain"]')).to_be_visible()
    in_address(deck, chain.mission)


def test_a_trace_shows_chain_facts_transitions_events_and_spans(deck: Page, rail: Rail) -> None:
    chain = overspent(rail)
    opened(deck, rail, f"trace?mission={chain.mission}&entity={chain.job}")
    rows = deck.locator("[data-entity]")
    expect(rows).to_have_count(ENTITIES)
    expect(deck.locator(f'[data-entity="{chain.job}"]')).to_have_attribute("aria-current", "true")
    expect(deck.locator(f'[data-entity="{chain.job}"] .code')).to_have_text("NR-E002")
    beside = deck.locator('[data-panel="inspector"]')
    expect(beside).to_contain_text("llm_call")
    expect(beside.locator('.use[data-kind="tokens"]')).to_contain_text("400 of 100")
    expect(beside.locator('.use[data-kind="tokens"]')).to_have_attribute("data-level", "over")

    beside.get_by_role("tab", name="Transitions").click()
    history = rail.get(f"/lifecycle/history/job/{chain.job}")["transitions"]
    expect(beside.locator(".steps li")).to_have_count(len(history))
    inferred = sum(step["inferred"] for step in history)
    assert inferred > 0
    expect(beside.locator('.steps li[data-inferred="true"]')).to_have_count(inferred)

    deck.locator(f'[data-entity="{chain.mission}"]').click()
    total = rail.get("/audit/events", mission_id=chain.mission)["total"]
    expect(beside.get_by_role("tab", name="Events")).to_contain_text(str(total))

    until("the spans are archived", lambda: len(spans_of(rail, chain)) == ENTITIES)
    beside.get_by_role("tab", name="Spans").click()
    expect(beside.locator("details.span")).to_have_count(ENTITIES)
    deck.locator(f'[data-entity="{chain.resource}"]').click()
    expect(beside.locator("details.span")).to_have_count(1)
    beside.locator("details.span summary").click()
    expect(beside).to_contain_text("gen_ai.usage.input_tokens")


def test_a_running_mission_grows_on_the_page(deck: Page, rail: Rail) -> None:
    chain = Chain()
    begin(rail, chain, "mission", "plan")
    opened(deck, rail, f"trace?mission={chain.mission}")
    expect(deck.locator("[data-entity]")).to_have_count(2)
    expect(deck.locator(f'[data-entity="{chain.mission}"] .state')).to_have_text("running")
    begin(rail, chain, "job", "attempt")
    expect(deck.locator("[data-entity]")).to_have_count(4)
    now = time.time_ns()
    rail.send_spans(chain.entity("attempt", 4, times=(now - SECOND, now)))
    expect(deck.locator(f'[data-entity="{chain.attempt}"] .state')).to_have_text("succeeded")


def test_missions_are_found_by_word_state_and_id(
    deck: Page, rail: Rail, complaints: Complaints
) -> None:
    complaints.network_expected = True
    chain, running = overspent(rail), Chain()
    begin(rail, running, "mission")
    opened(deck, rail, "trace")
    search = deck.get_by_role("searchbox", name="Search missions")
    rows = deck.locator("[data-mission]")
    search.fill(f"case={chain.mark[:6]}")
    expect(rows).to_have_count(1)
    in_address(deck, "q=case")
    deck.get_by_role("button", name="running", exact=True).click()
    expect(rows).to_have_count(0)
    search.fill(running.mission)
    expect(rows).to_have_count(1)
    deck.reload()
    expect(rows).to_have_count(1)
    search.fill("j_" + chain.mark)
    found = deck.get_by_role("link", name="Open its trace")
    found.click()
    expect(deck.locator(f'[data-entity="{chain.job}"]')).to_have_attribute("aria-current", "true")
    rail.all_is_stored()
    opened(deck, rail, f"trace?model=gpt-4o-mini&q=case={chain.mark[:6]}")
    expect(rows).to_have_count(1)
    opened(deck, rail, "trace?model=no-such-model")
    expect(deck.locator(".nothing")).to_contain_text("No mission matches")
    opened(deck, rail, "trace?q=m_nobody_knows_it")
    expect(deck.locator("[data-lookup=none]")).to_contain_text("does not know m_nobody_knows_it")


def test_two_missions_are_compared(deck: Page, rail: Rail) -> None:
    first, second = overspent(rail), overspent(rail)
    opened(deck, rail, "trace")
    for chain in (first, second):
        deck.get_by_role("checkbox", name=f"Compare {chain.mission}").check()
    deck.get_by_role("button", name="Compare 2/2").click()
    row = deck.locator('[data-measure="Input tokens"]')
    expect(row).to_contain_text("300")
    expect(row).to_contain_text("same")
    expect(deck.locator("[data-entity]")).to_have_count(2 * ENTITIES)


def test_the_lifecycle_shows_states_flow_and_what_was_refused(deck: Page, rail: Rail) -> None:
    chain = overspent(rail)
    now = time.time_ns()
    illegal = {
        "neurorail.entity.type": "mission", "neurorail.transition": "start",
        "neurorail.state.from": "succeeded", "neurorail.state.to": "running",
    }  # fmt: skip
    rail.send("logs", lifecycle_log(chain.attributes(1, **illegal), now))
    refusals = {"event_type": "transition_rejected", "mission_id": chain.mission}
    until("it was refused", lambda: rail.get("/audit/events", **refusals)["total"])
    opened(deck, rail, "lifecycle")
    by_state = rail.get("/telemetry/snapshot")["by_state"]
    for state in ("pending", "queued", "running", "succeeded", "failed", "timeout", "cancelled"):
        held = sum(states.get(state, 0) for states in by_state.values())
        expect(tile(deck, state)).to_have_text(f"{held:,}")
        expect(deck.locator(f'[data-node="{state}"] .node-count')).to_have_text(f"{held:,}")
    expect(deck.locator('[data-edge="running-succeeded"]')).to_have_attribute("data-moving", "true")
    deck.get_by_role("button", name="jobs", exact=True).click()
    expect(tile(deck, "succeeded")).to_have_text(f"{by_state['job']['succeeded']:,}")
    deck.get_by_role("button", name="all types").click()
    deck.get_by_role("tab", name="Rejected").click()
    refused = deck.locator('.list-row[data-type="transition_rejected"]').first
    expect(refused).to_contain_text("NR-E301")
    expect(refused).to_contain_text("cannot start from succeeded")


def test_budgets_show_counts_kinds_and_violations_live(
    deck: Page, rail: Rail, tmp_path: Path
) -> None:
    overspent(rail)
    rail.all_is_stored()
    opened(deck, rail, "budget")
    said = rail.get("/audit/stats")["events_by_type"]
    expect(tile(deck, "violations")).to_have_text(f"{said['budget_violation']:,}")
    expect(tile(deck, "retries")).to_have_text(f"{said['retry_attempted']:,}")
    expect(tile(deck, "timeouts")).to_have_text(f"{said.get('timeout_enforced', 0):,}")
    expect(deck.locator(".pie [data-kind=tokens] b")).to_have_text(str(said["budget_violation"]))
    expect(deck.locator("[data-violation]")).to_have_count(said["budget_violation"])
    expect(deck.locator("[data-group=gpt-4o-mini]")).to_contain_text(
        f"{400 * said['budget_violation']:,} tokens"
    )

    chain = overspent(rail)
    expect(tile(deck, "violations")).to_have_text(f"{said['budget_violation'] + 1:,}")
    expect(deck.locator("[data-violation]")).to_have_count(said["budget_violation"] + 1)
    newest = deck.locator("[data-violation]").first
    expect(newest).to_contain_text("NR-E002")
    expect(newest).to_contain_text("400")

    with deck.expect_download() as download:
        deck.locator("[data-panel=violations]").get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "violations.csv")
    with (tmp_path / "violations.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == said["budget_violation"] + 1
    assert (rows[0]["violation_type"], rows[0]["consumed"]) == ("tokens", "400")
    with deck.expect_download() as download:
        deck.locator("[data-panel=near]").get_by_role("button", name="JSON").click()
    download.value.save_as(tmp_path / "budgets.json")
    used = json.loads((tmp_path / "budgets.json").read_text(encoding="utf-8"))
    assert {"kind": "tokens", "used": 400, "limit": 1000, "share": 0.4} in [
        {name: each[name] for name in ("kind", "used", "limit", "share")} for each in used
    ]
    newest.get_by_role("link").last.click()
    expect(deck.locator(f'[data-entity="{chain.mission}"]')).to_be_visible()


def test_all_tabs_share_one_connection(deck: Page, rail: Rail) -> None:
    def subscribers() -> int:
        return int(rail.get("/stream/stats")["total_subscribers"])

    until("pages of other tests are gone", lambda: subscribers() == 0)
    opened(deck, rail)
    overspent(rail)
    second = deck.context.new_page()
    opened(second, rail, "budget")
    opened(deck, rail, "lifecycle")
    until("one connection is left", lambda: subscribers() == 1)
    # What came before this tab was opened is there, without the server sending it again.
    second.get_by_role("link", name="Overview").click()
    expect(second.locator(".event").first).to_be_visible()


def turn_by_keys(deck: Page, key: str, title: str) -> None:
    """Keys that come too far apart lead nowhere, and on a busy machine they may."""
    heading = deck.get_by_role("heading", level=1)

    def turned() -> bool:
        deck.keyboard.press("g")
        deck.keyboard.press(key)
        return heading.inner_text() == title

    until(f"g {key} leads to {title}", turned)


def test_keys_lead_to_pages_and_lists_are_walked(deck: Page, rail: Rail) -> None:
    overspent(rail)
    overspent(rail)  # A list is walked from one mission to the next.
    opened(deck, rail)
    turn_by_keys(deck, "l", "Lifecycle")
    turn_by_keys(deck, "t", "Trace explorer")
    expect(deck.locator("[data-mission]").first).to_be_visible()
    deck.keyboard.press("/")
    expect(deck.get_by_role("searchbox", name="Search missions")).to_be_focused()
    deck.locator(".list-row").first.focus()
    deck.keyboard.press("ArrowDown")
    expect(deck.locator('.list-row[data-index="1"]')).to_be_focused()
    deck.keyboard.press("Enter")
    expect(deck.locator("[data-panel=chain]")).to_be_visible()
    deck.keyboard.press("?")
    expect(deck.get_by_role("dialog")).to_contain_text("Search on this page")
    deck.keyboard.press("Escape")
    expect(deck.get_by_role("dialog")).to_have_count(0)


def test_times_are_written_in_the_chosen_zone(deck: Page, rail: Rail) -> None:
    overspent(rail)
    opened(deck, rail, "lifecycle")
    deck.get_by_role("button", name="Time zone").click()
    row = deck.locator(".moves .list-row time").first
    # Newer rows may come: time and text are those of one row.
    written = "(time) => [time.textContent, time.dateTime.slice(11, 23)]"
    until("the time of day there", lambda: len(set(row.evaluate(written))) == 1)


READ_STREAM = """
async ([module, after]) => {
  const { openStream } = await import(module);
  const events = [];
  await new Promise((done) => {
    const stream = openStream({
      channels: ["enforcement"], eventTypes: ["budget_violation"], lastEventId: after || undefined,
      onEvent: (event) => { events.push(event); stream.close(); done(); },
    });
  });
  return events;
}
"""


def test_other_front_ends_can_use_the_stream_module(deck: Page, rail: Rail) -> None:
    overspent(rail)
    newest = overspent(rail)
    opened(deck, rail)
    module = f"{rail.server.api}/neurorail/neurorail-stream.js"
    (first,) = deck.evaluate(READ_STREAM, [module, ""])
    assert (first["channel"], first["event_type"]) == ("enforcement", "budget_violation")
    (following,) = deck.evaluate(READ_STREAM, [module, first["id"]])
    assert following["id"] != first["id"]
    listed = rail.get("/audit/events", event_type="budget_violation")["events"]
    assert listed[0]["mission_id"] == newest.mission
    assert [row["audit_id"] for row in listed[::-1]][:2] == [first["id"], following["id"]]


@pytest.mark.parametrize("width", [1280, 390])
def test_the_api_is_described_without_another_host(deck: Page, rail: Rail, width: int) -> None:
    asked: set[str] = set()
    deck.on("request", lambda request: asked.add(request.url))
    deck.set_viewport_size({"width": width, "height": 800})
    deck.goto(f"{rail.server.api}/docs")
    spec = httpx2.get(f"{rail.server.api}/openapi.json", timeout=60).json()
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in spec["paths"].items()
        for method, operation in methods.items()
    }
    rows = deck.locator("details.operation")
    expect(rows).to_have_count(len(operations))
    # Whoever writes finds each field of the body without guessing.
    for name in ("telemetry/record", "audit/log", "rbac/authorize"):
        operation = operations[f"POST /api/neurorail/v1/{name}"]
        row = deck.locator(f'[data-operation="POST /api/neurorail/v1/{name}"]')
        row.locator("summary").first.click()
        body = operation["requestBody"]["content"]["application/json"]
        schema = spec["components"]["schemas"][body["schema"]["$ref"].rsplit("/", 1)[1]]
        for field in schema["properties"]:
            expect(row.locator(f'[data-field="{field}"]').first).to_be_visible()
        expect(row.locator(".source").first).to_contain_text("curl -X POST")
        for value in body["example"].values():
            if isinstance(value, str):
                expect(row.locator(".source").first).to_contain_text(value)
    deck.get_by_label("Search operations").fill("post decide reserved")
    expect(rows).to_have_count(1)
    deck.get_by_label("Search operations").fill("no such thing")
    expect(deck.get_by_text("No operation matches.")).to_be_visible()
    assert deck.evaluate("document.documentElement.scrollWidth <= innerWidth")

    named = operations["POST /api/neurorail/v1/audit/log"]["operationId"]
    deck.goto(f"{rail.server.api}/neurorail/docs?again#{named}")
    expect(deck.locator(f"#{named} [data-field=severity]").first).to_be_visible()
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(rail.server.api).netloc}
