"""What the server makes of telemetry: chains, states, budgets, bills, seen from outside."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest
from tests.end_to_end.rail import MS, SECOND, Chain, Rail, lifecycle_log, listening
from tests.support.otlp_requests import set_attributes, traces

from neurorail.client import StreamMessage

CHAT: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 20,
}
AGENT: dict[str, Any] = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "researcher"}
TOOL: dict[str, Any] = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}


def chat(
    chain: Chain,
    number: int,
    more: Mapping[str, Any] | None = None,
    *,
    parent: int = 0,
    levels: int = 4,
) -> Any:
    """A span of one model call: 120 tokens."""
    now = time.time_ns()
    called = chain.span(number, levels, parent=parent, times=(now - 50 * MS, now))
    set_attributes(called.attributes, {**CHAT, **(more or {})})
    return called


def report(rail: Rail, chain: Chain, transition: str, **more: str) -> None:
    """One lifecycle event of the mission."""
    attributes = {**chain.attributes(1), "neurorail.transition": transition, **more}
    rail.send("logs", lifecycle_log(attributes, time.time_ns()))


def begin(rail: Rail, chain: Chain, level: int = 1, **more: Any) -> None:
    """One event that creates, queues and starts an entity."""
    steps = {"neurorail.transitions": ["create", "enqueue", "start"]}
    rail.send("logs", lifecycle_log({**chain.attributes(level), **steps, **more}, time.time_ns()))


def moved(rail: Rail, entity_id: str, count: int) -> list[tuple[str, str | None, str, bool]]:
    """The history of an entity: transition, from, to, whether it was inferred."""

    def found(tree: Any) -> Any:
        path = f"/lifecycle/history/{kind}/{entity_id}"
        history = rail.get(path)["transitions"]
        return history if len(history) >= count else None

    kind = {"m": "mission", "p": "plan", "j": "job", "a": "attempt", "r": "resource"}[entity_id[0]]
    rail.entity(entity_id, found)
    return [
        (step["transition"], step["from_state"], step["to_state"], step["inferred"])
        for step in found(None)
    ]


def test_a_chain_by_spans(rail: Rail, chain: Chain) -> None:
    now = time.time_ns()
    times = {
        level: (now - (9 - n) * SECOND, now - n * 10 * MS)
        for n, level in enumerate(("mission", "plan", "job", "attempt", "resource"))
    }
    kinds: dict[str, dict[str, Any]] = {
        "mission": {"neurorail.tag.team": "search", "neurorail.budget.max_tokens": 1_000},
        "plan": {"neurorail.plan.type": "dag"},
        "job": {"neurorail.job.type": "llm_call"},
        "attempt": {"neurorail.attempt.number": 1},
        "resource": CHAT,
    }
    spans = [
        chain.entity(level, number, times=times[level], **kinds[level])
        for number, level in enumerate(times, start=1)
    ]
    rail.send_spans(*reversed(spans))  # Children are exported before their parents.

    tree = rail.ended(chain)
    assert tree["mission"]["entity_id"] == chain.mission
    below = {entity["entity_type"]: entity for entity in tree["descendants"]}
    assert [below[level]["entity_id"] for level in list(times)[1:]] == list(chain.ids[1:])
    assert {entity["state"] for entity in tree["descendants"]} == {"succeeded"}
    assert tree["mission"]["tags"] == {"team": "search"}
    assert tree["mission"]["budget"]["max_tokens"] == 1_000
    assert below["plan"]["plan_type"] == "dag"
    assert below["job"]["job_type"] == "llm_call"
    assert below["attempt"]["attempt_number"] == 1
    for entity in (tree["mission"], *tree["descendants"]):
        assert entity["totals"]["total_tokens"] == 120
        assert entity["totals"]["model_calls"] == 1
    up = rail.entity(chain.resource)
    assert [up[level]["entity_id"] for level in times] == list(chain.ids)
    # Who proves an end proves all before it: inferred, and legal.
    steps = moved(rail, chain.attempt, 4)
    assert [step[:3] for step in steps] == [
        ("create", None, "pending"),
        ("enqueue", "pending", "queued"),
        ("start", "queued", "running"),
        ("succeed", "running", "succeeded"),
    ]
    sql = "SELECT entity_id FROM neurorail_state_transitions WHERE mission_id = {m:String}"
    assert len(rail.rows(sql, 20, m=chain.mission)) == 20


def test_lifecycle_events_show_while_it_runs(rail: Rail, chain: Chain) -> None:
    for transition, state in (("create", "pending"), ("enqueue", "queued"), ("start", "running")):
        report(rail, chain, transition)
        mission = rail.in_state(chain.mission, state)
        assert mission["ended_at"] is None
    allowed = rail.get(f"/lifecycle/state/mission/{chain.mission}")["allowed_transitions"]
    assert allowed == ["succeed", "fail", "timeout", "cancel"]
    report(rail, chain, "fail", **{"neurorail.reason": "no result"})
    assert rail.ended(chain)["mission"]["state"] == "failed"
    assert [step[3] for step in moved(rail, chain.mission, 4)] == [False] * 4


def test_an_illegal_transition(rail: Rail, chain: Chain) -> None:
    with listening(rail, channels="lifecycle", entity_ids=chain.mission) as stream:
        begin(rail, chain)
        report(rail, chain, "succeed")
        report(rail, chain, "fail", **{"neurorail.state.from": "pending"})
        seen = stream.until(lambda all: any(m.event_type == "transition_rejected" for m in all))
    (refused,) = (m.data for m in seen if m.event_type == "transition_rejected")
    assert refused["code"] == "NR-E301"
    assert (refused["transition"], refused["current_state"]) == ("fail", "succeeded")
    assert rail.entity(chain.mission)["mission"]["state"] == "succeeded"
    (event,) = rail.events(chain.mission, "transition_rejected")
    assert event["details"]["code"] == "NR-E301"
    assert event["severity"] == "error"
    where = "WHERE mission_id = {m:String} AND event_type = 'transition_rejected'"
    (row,) = rail.rows(f"SELECT details FROM neurorail_audit {where}", m=chain.mission)
    assert "NR-E301" in row["details"]
    sql = """SELECT transition FROM neurorail_state_transitions
             WHERE mission_id = {m:String} ORDER BY seq, `index`"""
    steps = [row["transition"] for row in rail.rows(sql, 4, m=chain.mission)]
    assert steps == ["create", "enqueue", "start", "succeed"]


def test_terminal_is_terminal(rail: Rail, chain: Chain) -> None:
    now = time.time_ns()
    rail.send_spans(chain.entity("mission", 1, times=(now - SECOND, now)))
    rail.ended(chain)
    rail.send("logs", _report_at(chain, "cancel", now - SECOND // 2))  # Merely late.
    rail.send("logs", _report_at(chain, "fail", now + 60 * SECOND))  # After the end: illegal.
    rail.events(chain.mission, "late_input")
    rail.events(chain.mission, "transition_rejected")
    assert rail.entity(chain.mission)["mission"]["state"] == "succeeded"


def _report_at(chain: Chain, transition: str, at_unix_nano: int) -> bytes:
    return lifecycle_log({**chain.attributes(1), "neurorail.transition": transition}, at_unix_nano)


def test_a_token_budget(rail: Rail, chain: Chain) -> None:
    begin(rail, chain, **{"neurorail.budget.max_tokens": 300})
    for number in (1, 2, 3):
        rail.send_spans(chat(chain, number))
    (warning,) = rail.events(chain.mission, "budget_warning")
    assert warning["details"]["consumed"] == 240
    (violation,) = rail.events(chain.mission, "budget_violation")
    told = violation["details"]
    assert told["violation_type"] == "tokens"
    assert (told["limit"], told["consumed"], told["code"]) == (300, 360, "NR-E002")
    assert told["overshoot"] == 60


def test_zero_is_zero(rail: Rail, chain: Chain) -> None:
    begin(rail, chain, **{"neurorail.budget.max_tool_calls": 0})
    now = time.time_ns()
    rail.send_spans(chain.span(1, 4, times=(now - MS, now), **TOOL))
    (violation,) = rail.events(chain.mission, "budget_violation")
    assert violation["details"]["violation_type"] == "tool_calls"


def test_a_timeout_is_found_by_the_clock_of_the_records(rail: Rail, chain: Chain) -> None:
    begin(rail, chain, 4, **{"neurorail.budget.timeout_ms": 200})
    (enforced,) = rail.events(chain.mission, "timeout_enforced")
    assert enforced["details"]["code"] == "NR-E001"
    assert enforced["details"]["entity_id"] == chain.attempt
    tree = rail.entity(chain.attempt, lambda found: found["attempt"]["ended_at"])
    assert (tree["attempt"]["state"], tree["attempt"]["error_code"]) == ("timeout", "NR-E001")
    # What the attempt says afterwards is recorded and changes nothing.
    now = time.time_ns()
    rail.send_spans(chain.entity("attempt", 1, times=(now - 5 * SECOND, now)))
    rail.events(chain.mission, "late_outcome")
    assert rail.entity(chain.attempt)["attempt"]["state"] == "timeout"


def test_an_orphan(rail: Rail, chain: Chain) -> None:
    now = time.time_ns()
    alone = chain.span(1, 0, times=(now - MS, now), neurorail__entity__type="job")
    set_attributes(alone.attributes, {"neurorail.job.id": chain.job})
    with listening(rail, event_types="orphan_detected", entity_ids=chain.job) as stream:
        rail.send_spans(alone)
        (found,) = stream.until(lambda all: all)
    assert found.data["code"] == "NR-E007"
    assert set(found.data["missing"]) == {"mission", "plan"}
    assert rail.entity(chain.job, lambda t: "orphan" in t["job"]["flags"])


def test_a_request_sent_twice_counts_once(rail: Rail, chain: Chain) -> None:
    now = time.time_ns()
    body = traces(
        chat(chain, 3, parent=2),
        chain.entity("attempt", 2, times=(now - SECOND, now)),
        chain.entity("mission", 1, times=(now - SECOND, now)),
    )
    rail.send("traces", body)
    first = rail.ended(chain)
    rail.send("traces", body)
    assert rail.call(body) == b""
    rail.spans(chain.mark, 9)  # All three are archived, so all three were applied before.
    again = rail.ended(chain)
    assert again == first
    assert again["mission"]["totals"]["total_tokens"] == 120
    assert len(moved(rail, chain.mission, 4)) == 4
    assert len(rail.events(chain.mission, "cost_tracked")) == 1


def test_two_spans_of_one_call_are_one_bill(rail: Rail, chain: Chain) -> None:
    now = time.time_ns()
    outer = chat(chain, 2, {"gen_ai.system": "langchain"}, parent=1)
    inner = chat(chain, 3, {"gen_ai.response.id": "resp-1"}, parent=2)
    same = chat(chain, 4, {"gen_ai.response.id": "resp-1"}, parent=1)
    rail.send_spans(inner)
    rail.send_spans(outer, same)
    rail.send_spans(chain.entity("mission", 1, times=(now - SECOND, now)))
    totals = rail.ended(chain)["mission"]["totals"]
    assert (totals["total_tokens"], totals["model_calls"]) == (120, 1)
    assert totals["cost_usd"] > 0


def test_two_spans_of_one_call_whose_outer_one_came_first(rail: Rail, chain: Chain) -> None:
    now = time.time_ns()
    rail.send_spans(chat(chain, 2, parent=1))
    rail.events(chain.mission, "cost_tracked")
    rail.send_spans(chat(chain, 3, parent=2))
    rail.send_spans(chain.entity("mission", 1, times=(now - SECOND, now)))
    totals = rail.ended(chain)["mission"]["totals"]
    assert (totals["total_tokens"], totals["model_calls"]) == (120, 1)
    (back,) = rail.events(chain.mission, "usage_moved")
    assert (back["details"]["llm_tokens"], back["details"]["to_ids"]) == (120, None)


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after the wait for parents"])
def test_a_trace_that_knows_nothing_of_the_rail(rail: Rail, chain: Chain, waits: bool) -> None:
    now = time.time_ns()
    calls = [
        chat(chain, 3, parent=2, levels=0),
        chain.span(4, 0, parent=2, times=(now - SECOND, now), **TOOL),
    ]
    agent = chain.span(2, 0, times=(now - 2 * SECOND, now), **AGENT)
    if waits:
        for number in (0, 1):
            rail.send_spans(calls[number])
            # Only what waited long enough for its parents is billed.
            rail.events(chain.mission, "cost_tracked", number + 1)
        rail.send_spans(agent)
    else:
        rail.send_spans(*calls, agent)
    tree = rail.ended(chain)
    totals = tree["mission"]["totals"]
    assert (totals["total_tokens"], totals["tool_calls"]) == (120, 1)
    assert "derived" in tree["mission"]["flags"]
    assert {entity["entity_id"] for entity in tree["resources"]} == {
        f"r_{chain.span_id(n)}" for n in (3, 4)
    }
    assert {entity["job_id"] for entity in tree["resources"]} == {f"j_{chain.span_id(2)}"}
    job = rail.entity(f"j_{chain.span_id(2)}")["job"]
    assert job["agent"] == "researcher"


def test_a_single_call_that_knows_nothing_of_the_rail(rail: Rail, chain: Chain) -> None:
    rail.send_spans(chat(chain, 7, levels=0))
    tree = rail.ended(chain)
    assert tree["mission"]["state"] == "succeeded"
    ids = {entity["entity_type"]: entity["entity_id"] for entity in tree["descendants"]}
    assert ids == {
        "plan": f"p_{chain.span_id(7)}",
        "job": f"j_{chain.span_id(7)}",
        "attempt": f"a_{chain.span_id(7)}",
        "resource": f"r_{chain.span_id(7)}",
    }


def _is_metrics_of(entity_id: str, message: StreamMessage) -> bool:
    return message.event_type == "metrics_recorded" and message.data["entity_id"] == entity_id


def test_the_stream_is_in_order_and_tells_once(rail: Rail, chain: Chain) -> None:
    with listening(rail, channels=["all", "lifecycle"], entity_ids=chain.mission) as stream:
        begin(rail, chain)
        rail.send_spans(chat(chain, 2, parent=1))
        report(rail, chain, "succeed")
        seen = stream.until(lambda all: any(_is_metrics_of(chain.mission, m) for m in all))
    positions = [tuple(map(int, message.id.split(".")[1:])) for message in seen]
    assert positions == sorted(set(positions))
    assert {message.data["mission_id"] for message in seen} == {chain.mission}
    # Resuming after any of them gives the rest, no more and no less.
    with listening(rail, seen[2].id, entity_ids=chain.mission) as again:
        rest = again.until(lambda all: len(all) >= len(seen) - 3)
    # Something may have happened since.
    assert [message.raw for message in rest[: len(seen) - 3]] == [m.raw for m in seen[3:]]
    positions = [tuple(map(int, message.id.split(".")[1:])) for message in rest]
    assert positions == sorted(set(positions))
