"""The reflex monitor and the governor on a whole server: what they show, and what they do."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, expect
from tests.browser.announcing import announcing
from tests.browser.conftest import Complaints
from tests.browser.looking import leave_sheet
from tests.end_to_end.rail import Chain, Rail
from tests.support.process import running_server

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def rail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rail]:
    """A server of this module's own."""
    with running_server(tmp_path_factory.mktemp("govern") / "data") as server:
        yield Rail(server)


def opened(deck: Page, rail: Rail, path: str) -> None:
    deck.goto(f"{rail.server.api}/neurorail/{path}")
    expect(deck.locator(".connection")).to_have_text("Live")


def post(rail: Rail, path: str, **body: Any) -> Any:
    answer = httpx2.post(f"{rail.server.api}/api/{path}", json=body, timeout=60)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def test_the_kill_switch_stops_an_agent_until_it_is_lifted(rail: Rail, deck: Page) -> None:
    opened(deck, rail, "reflex")
    deck.get_by_role("button", name="Kill switch…").click()
    sheet = deck.get_by_role("dialog")
    sheet.get_by_label("What").select_option("agent")
    sheet.get_by_label("Name").fill("runaway")
    sheet.get_by_role("textbox", name="Reason").fill("it loops")
    sheet.get_by_role("button", name="Kill", exact=True).click()
    expect(sheet).to_be_visible()  # Not before the last word.
    sheet.get_by_role("checkbox").check()
    sheet.get_by_role("button", name="Kill", exact=True).click()
    row = deck.locator('[data-directive="kill"]')
    expect(row).to_contain_text("runaway")
    expect(row).to_contain_text("it loops")
    expect(deck.locator('[data-tile="directives"] .tile-value')).to_have_text("1")
    (held,) = rail.get("/reflex/directives")["directives"]
    assert (held["action"], held["reason"]) == ("kill", "it loops")
    expect(deck.locator('[data-type="reflex_action_executed"]').first).to_contain_text("it loops")

    row.get_by_role("button", name="Lift…").click()
    deck.get_by_role("dialog").get_by_role("button", name="Lift it").click()
    expect(row).to_have_count(0)
    assert rail.get("/reflex/directives")["directives"] == []


def test_breakers_are_cards_that_an_operator_closes(rail: Rail, deck: Page) -> None:
    opened(deck, rail, "reflex")
    deck.get_by_role("button", name="Open a circuit…").click()
    sheet = deck.get_by_role("dialog")
    sheet.get_by_label("What").select_option("model")
    sheet.get_by_label("Name").fill("gpt-4o-mini")
    sheet.get_by_role("textbox", name="Reason").fill("it is down")
    sheet.get_by_role("checkbox").check()
    sheet.get_by_role("button", name="Open it").click()
    card = deck.locator('[data-circuit-state="open"]')
    expect(card).to_contain_text("gpt-4o-mini")
    expect(card).to_contain_text("it is down")
    expect(deck.locator('[data-tile="circuits"] .tile-value')).to_have_text("1")
    card.get_by_role("button", name="Close").click()
    deck.get_by_role("dialog").get_by_role("button", name="Close it").click()
    expect(deck.locator('[data-tile="circuits"] .tile-value')).to_have_text("0")
    assert [each["state"] for each in rail.get("/reflex/breakers")["breakers"]] in ([], ["closed"])
    deck.get_by_role("tab", name="Circuits").click()
    expect(deck.locator('[data-type="circuit_state_changed"]')).to_have_count(2)


def test_agents_that_announce_themselves_are_listed(rail: Rail, deck: Page) -> None:
    gate = {"mode": "rail", "connected": True, "fail": "closed", "refused": 3}
    with announcing(rail.server.api, instance_id="crew-1", agent="crew", gate=gate):
        opened(deck, rail, "reflex")
        expect(deck.locator('[data-tile="agents"] .tile-value')).to_have_text("1")
        deck.get_by_role("tab", name="Agents").click()
        row = deck.locator('[data-agent="crew-1"]')
        for text in ("crew", "rail", "connected", "fails closed", "3"):
            expect(row).to_contain_text(text)


def test_a_manifest_goes_from_draft_over_shadow_to_active(
    rail: Rail, deck: Page, complaints: Complaints
) -> None:
    complaints.network_expected = True
    opened(deck, rail, "governor")
    deck.get_by_role("button", name="New", exact=True).click()
    sheet = deck.get_by_role("dialog")
    text = sheet.get_by_label("or as text")
    text.fill("version: 1\nnonsense: true\n")
    sheet.get_by_role("button", name="Make a draft").click()
    expect(sheet.get_by_role("alert")).to_contain_text("'name' is missing")
    source = (Path(__file__).parents[2] / "docs" / "manifests" / "personal-data.yaml").read_text()
    text.fill(source)
    sheet.get_by_role("button", name="Make a draft").click()
    row = deck.locator("[data-manifest]").first
    expect(row).to_have_attribute("data-manifest-state", "draft")
    row.get_by_role("button", name="Shadow…").click()
    deck.get_by_role("dialog").get_by_role("button", name="Evaluate as shadow").click()
    expect(row).to_have_attribute("data-manifest-state", "shadow")
    version = row.get_attribute("data-manifest")
    row.locator("b").first.click()
    expect(sheet.locator(".diff li").first).to_be_visible()
    leave_sheet(deck)

    row.get_by_role("button", name="Activate…").click()
    sheet.get_by_role("textbox", name="Reason").fill("a test")
    sheet.get_by_role("checkbox").check()  # Its time as a shadow is short of what the gate wants.
    sheet.get_by_role("button", name="Activate", exact=True).click()
    expect(row).to_have_attribute("data-manifest-state", "active")
    expect(deck.locator('[data-tile="active"] .tile-value')).to_have_text(str(version))
    deck.get_by_role("tab", name="Changes").click()
    expect(deck.locator('[data-type="manifest_activated"]')).to_have_count(1)

    context = {"uses_personal_data": True, "external_dependency": True}
    first = post(rail, "governor/v1/decide", job_type="llm_call", context=context)
    assert first["allowed"] is False
    card = deck.locator('[data-confirmation-state="pending"]')
    expect(card).to_contain_text("personal_data_leaves")
    card.get_by_role("button", name="Approve…").click()
    sheet.get_by_role("textbox", name="Reason").fill("the customer agreed")
    sheet.get_by_role("button", name="Approve", exact=True).click()
    expect(deck.locator('[data-confirmation-state="approved"]')).to_contain_text("customer agreed")
    expect(deck.locator('[data-tile="questions"] .tile-value')).to_have_text("0")


def test_decisions_are_counted_and_listed(rail: Rail, deck: Page) -> None:
    opened(deck, rail, "governor")
    before = rail.client.get_json("/api/governor/v1/stats")["total_decisions"]
    decision = post(rail, "governor/v1/decide", job_type="review", estimates={"tokens": 10})
    expect(deck.locator('[data-tile="decisions"] .tile-value')).to_have_text(str(before + 1))
    row = deck.locator('[data-type="mode_decided"]', has_text="review")
    expect(row).to_contain_text("allowed" if decision["allowed"] else "refused")
    row.click()
    expect(deck.get_by_role("dialog")).to_contain_text(decision["decision_id"])


def test_pools_show_what_is_held_and_what_is_left(rail: Rail, deck: Page) -> None:
    source = (Path(__file__).parents[2] / "docs" / "manifests" / "spend-per-agent.yaml").read_text()
    version = post(rail, "governor/v1/manifests", source=source.replace('"1"', '"pools-1"'))
    for action in ("shadow", "activate"):
        path = f"governor/v1/manifests/{version['version']}/{action}"
        post(rail, path, reason="a test", force=action == "activate")
    asked = {"job_type": "llm_call", "context": {"agent": "crew"}, "estimates": {"cost_usd": 5}}
    assert post(rail, "governor/v1/decide", **asked)["allowed"]
    pools = rail.get("/budgets")["budgets"]
    assert {pool["pool"] for pool in pools} == {"agent_per_day", "all_per_hour"}
    opened(deck, rail, "budget")
    deck.get_by_role("tab", name="Pools").click()
    shown = deck.locator("[data-pool]")
    expect(shown).to_have_count(2)
    # The fullest first: 5 of 20 dollars are held, none is spent.
    expect(shown.first).to_contain_text("agent_per_day")
    expect(shown.first).to_contain_text("25%")
    expect(shown.first).to_contain_text("$5.00 held")
    shown.first.locator("svg").click()
    curve = deck.locator(".burn-down")
    (day,) = [pool for pool in pools if pool["pool"] == "agent_per_day"]
    expect(curve).to_have_attribute("data-begin-left", "20")
    expect(curve).to_have_attribute("data-left", str(day["limits"][0]["left"]))


def test_burn_down_of_a_budget_ends_at_what_the_api_says_is_left(rail: Rail, deck: Page) -> None:
    made = post(
        rail,
        "neurorail/v1/identity/mission",
        budget={"max_cost_usd": "1", "timeout_ms": 600_000},
    )
    mission = made["entity_id"]
    for step in ("enqueue", "start"):
        move = {"entity_id": mission, "transition": step}
        post(rail, "neurorail/v1/lifecycle/transition/mission", **move)

    def spend(cost_usd: str) -> None:
        used = {"entity_type": "mission", "entity_id": mission, "cost_usd": cost_usd}
        post(rail, "neurorail/v1/telemetry/record", **used)

    def left() -> str:
        """What the server says is left of the mission's own budget."""
        scopes = rail.get("/budgets", entity_id=mission)["budgets"]
        (own,) = [scope for scope in scopes if scope.get("entity_id") == mission]
        (cost,) = [limit for limit in own["limits"] if limit["kind"] == "cost"]
        return str(cost["left"])

    for cost_usd in ("0.25", "0.125", "0.0625"):
        spend(cost_usd)
    opened(deck, rail, "budget")
    row = deck.get_by_role("button", name=f"Burn-down of cost of mission {mission}")
    expect(row).to_contain_text("$0.4375 of $1.00")
    row.focus()
    deck.keyboard.press("Enter")
    curve = deck.get_by_role("dialog").locator(".burn-down")
    expect(curve).to_have_attribute("data-points", "5")  # Its start, three calls, now.
    expect(curve).to_have_attribute("data-begin-left", "1")
    expect(curve).to_have_attribute("data-left", left())
    expect(curve).to_have_attribute("data-ends-left", "0")
    expect(curve.get_by_role("img")).to_have_attribute(
        "aria-label", re.compile(r"\$0\.5625 of \$1\.00, used up at .* in ")
    )
    told = ["$1.00", "$0.7500", "$0.6250", "$0.5625", "$0.5625", "$0.00"]
    expect(curve.locator("tbody td")).to_have_text(told)

    spend("0.25")
    expect(curve).to_have_attribute("data-points", "6")
    expect(curve).to_have_attribute("data-left", "0.3125")
    asked = {"job_type": "llm_call", "mission_id": mission, "estimates": {"cost_usd": "0.125"}}
    assert post(rail, "governor/v1/decide", **asked)["allowed"]
    expect(curve).to_have_attribute("data-left", left())
    expect(curve).to_have_attribute("data-left", "0.1875")
    expect(curve).to_have_attribute("data-points", "6")

    leave_sheet(deck)
    expect(curve).to_have_count(0)
    expect(row).to_be_focused()
    deck.get_by_role("button", name=f"Burn-down of time of mission {mission}").click()
    expect(curve).to_have_attribute("data-points", "2")
    expect(curve).to_have_attribute("data-begin-left", "600000")

    # What has ended keeps its curve, without a projection.
    leave_sheet(deck)
    move = {"entity_id": mission, "transition": "succeed"}
    post(rail, "neurorail/v1/lifecycle/transition/mission", **move)
    row.click()
    expect(curve).to_contain_text("ended")
    expect(curve).to_have_attribute("data-points", "6")
    expect(curve).to_have_attribute("data-left", "0.3125")
    expect(curve).not_to_have_attribute("data-ends-left", re.compile("."))


BOUNDS = """async () => {
  const { stepsOf } = await import("/neurorail/app/budget/curve.js");
  const { sample, samplesOf } = await import("/neurorail/app/budget/samples.js");
  const uses = Array.from({ length: 3000 }, (_, at) => ({ atMs: 3000 - at, used: 1 }));
  const now = { atMs: 4000, left: 1000 };
  const steps = stepsOf(uses, { limit: 4000, consumed: 3000, now, beginMs: 0 });
  const pool = { name: "all", kind: "tokens", limit: 4000, begins: 0, ends: null, rolling: null };
  for (let at = 1; at <= 3000; at += 1) sample([{ ...pool, left: 4000 - at }], at);
  const read = samplesOf(pool);
  sample([{ ...pool, begins: 3000, left: 3999 }], 3001);
  return [steps.length, steps[0], steps.at(-1), read.length <= 1000, read[0], read.at(-1),
    samplesOf({ ...pool, begins: 3000 })];
}"""


def test_a_burn_down_has_a_thousand_points_at_most(rail: Rail, deck: Page) -> None:
    opened(deck, rail, "budget")
    assert deck.evaluate(BOUNDS) == [
        999,  # Its start is not among them: what came before is not known.
        {"atMs": 2003, "left": 1997},
        {"atMs": 4000, "left": 1000},
        True,
        {"atMs": 0, "left": 4000},
        {"atMs": 3000, "left": 1000},
        [{"atMs": 3000, "left": 4000}, {"atMs": 3001, "left": 3999}],  # A new window.
    ]


def test_a_mission_that_used_up_its_budget_goes_on_once_it_is_raised(
    rail: Rail, deck: Page
) -> None:
    made = post(rail, "neurorail/v1/identity/mission", budget={"max_cost_usd": "0.01"})
    mission = made["entity_id"]
    for step in ("enqueue", "start"):
        move = {"entity_id": mission, "transition": step}
        post(rail, "neurorail/v1/lifecycle/transition/mission", **move)
    used = {"entity_type": "mission", "entity_id": mission, "cost_usd": "0.012"}
    post(rail, "neurorail/v1/telemetry/record", **used)
    asked = {"job_type": "llm_call", "mission_id": mission, "estimates": {"cost_usd": "0.001"}}
    assert post(rail, "governor/v1/decide", **asked)["code"] == "NR-E002"

    opened(deck, rail, "budget")
    button = deck.get_by_role("button", name=f"Raise the cost limit of mission {mission}")
    row = deck.locator(".use", has=button)
    expect(row).to_contain_text("$0.0120 of $0.0100")
    expect(row).to_contain_text("used up")
    button.focus()
    deck.keyboard.press("Enter")
    sheet = deck.get_by_role("dialog")
    standing = sheet.locator('[data-own="true"][data-limit="cost"]')
    expect(standing).to_have_text("costthis mission$0.0120$0.00$0.0100$0.00")
    sheet.get_by_role("spinbutton").fill("5")
    sheet.get_by_role("textbox", name="Reason").fill("the customer agreed")
    sheet.get_by_role("button", name="Set the limit").click()
    assert rail.get("/missions", limit=1)["missions"][0]["budget"]["max_cost_usd"] == 0.01
    sheet.get_by_role("checkbox").check()
    sheet.get_by_role("button", name="Set the limit").click()

    expect(sheet.get_by_role("status")).to_contain_text("$0.0100 → $5.00")
    expect(sheet.get_by_role("status")).to_contain_text("$4.99 left")
    expect(sheet.get_by_role("status")).to_contain_text("goes on")
    (own,) = [
        scope for scope in rail.get("/budgets", entity_id=mission)["budgets"]
        if scope.get("entity_id") == mission
    ]  # fmt: skip
    assert (own["limits"][0]["limit"], own["limits"][0]["left"]) == (5, 4.988)
    expect(standing).to_have_text("costthis mission$0.0120$0.00$5.00$4.99")
    sheet.get_by_role("button", name="Done").click()
    expect(row).to_contain_text("$0.0120 of $5.00")
    expect(row).to_contain_text("$4.99 left")
    assert post(rail, "governor/v1/decide", **asked)["allowed"]
    expect(row).to_contain_text("$0.0010 held, $4.99 left")
    (event,) = rail.events(mission, "budget_changed")
    assert event["details"]["reason"] == "the customer agreed"

    # What has ended offers nothing, and the server refuses.
    move = {"entity_id": mission, "transition": "succeed"}
    post(rail, "neurorail/v1/lifecycle/transition/mission", **move)
    expect(button).to_have_count(0)


FLAKY = """neurorail_manifest: 1
name: flaky
version: flaky-1
default_mode: direct
reflexes:
  - id: flaky_provider
    per: [provider]
    trigger: {consecutive_failures: {count: 3}}
    actions: [suspend]
    breaker: {cooldown: 1h}
"""


def test_card_of_a_breaker_draws_its_failure_rate(rail: Rail, deck: Page) -> None:
    made = post(rail, "governor/v1/manifests", source=FLAKY)
    for action in ("shadow", "activate"):
        path = f"governor/v1/manifests/{made['version']}/{action}"
        post(rail, path, reason="a test", force=action == "activate")
    for failed in (True, True, True, False):
        call(rail, failed=failed)
    opened(deck, rail, "reflex")
    card = deck.locator('[data-circuit="flaky_provider:provider=shaky"]')
    expect(card).to_have_attribute("data-circuit-state", "open")
    expect(card.locator('[data-fact="rate"] dd')).to_have_text("75% of 4 failed")
    drawn = card.locator("[data-outcome]")
    expect(drawn.last.locator(".outcome-failed")).to_have_count(1)
    (circuit,) = [
        one for one in rail.get("/reflex/breakers")["breakers"] if one["rule"] == "flaky_provider"
    ]
    said = [f"{one['failed']} of {one['ended']} failed" for one in circuit["outcomes"]]
    expect(drawn.locator("title")).to_have_text(said)
    expect(card).to_contain_text("Tries again in")
    deck.get_by_role("tab", name="Lifecycle").click()
    rows = deck.locator('[data-panel="reflex-log"] [data-type="state_changed"]')
    expect(rows.first).to_be_visible()
    before = rows.first.inner_text()
    call(rail, failed=False)
    expect(rows.first).not_to_have_text(before)


def call(rail: Rail, *, failed: bool) -> None:
    """A call of a provider, alone in its mission."""
    chain, now = Chain(), time.time_ns()
    span = chain.span(
        5, 5, times=(now - 10**8, now),
        gen_ai__operation__name="chat", gen_ai__provider__name="shaky",
        gen_ai__request__model="m", gen_ai__usage__input_tokens=1,
    )  # fmt: skip
    if failed:
        span.status.code = 2
    rail.send_spans(span, chain.entity("mission", 1, times=(now - 2 * 10**8, now)))
    rail.ended(chain)
