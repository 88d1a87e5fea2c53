"""What the governor grants over HTTP: never more than there is, whoever asks at the same time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.end_to_end.asking import ask_all, ask_until_killed, begin_with_budget, hold
from tests.end_to_end.rail import MS, Chain, Rail
from tests.end_to_end.test_governance import CHAT
from tests.support.otlp_requests import set_attributes
from tests.support.process import running_server

CALL: dict[str, Any] = {"job_type": "llm_call", "estimates": {"cost_usd": "0.05"}}
SPENT = {"usage": {"cost_usd": 0.04}}
TEAM = {"team": "blue"}


def granted(answers: list[Any]) -> list[str]:
    """Ids of the reservations that were granted."""
    return [one["reservation"]["id"] for one in answers if one["allowed"]]


def test_a_thousand_ask_at_once_and_exactly_what_there_is_is_granted(
    rail: Rail, chain: Chain
) -> None:
    begin_with_budget(rail, chain, max_cost_usd=5.0)
    wanted = {**CALL, "mission_id": chain.mission}
    answers = ask_all(rail, [("/decide", wanted)] * 1_000)
    reservations = granted(answers)
    assert len(reservations) == len(set(reservations)) == 100
    refused = [one for one in answers if not one["allowed"]]
    assert {one["code"] for one in refused} == {"NR-E002"}
    # What others hold may be freed, so that trying later can help.
    assert {one["retry_after_ms"] for one in refused} == {1_000}
    reconciled = ask_all(
        rail,
        [(f"/reservations/{one}/reconcile", SPENT) for one in reservations],
    )
    assert {one["used"]["cost_usd"] for one in reconciled} == {"0.04"}
    # 4.00 are spent: 1.00 is left, twenty more.
    again = ask_all(rail, [("/decide", wanted)] * 100)
    assert len(granted(again)) == 20
    assert rail.entity(chain.mission)["mission"]["totals"]["cost_usd"] == 4
    assert again[0]["budgets"][0]["limit"] == 5


def test_the_span_of_a_call_settles_its_reservation(rail: Rail, chain: Chain) -> None:
    begin_with_budget(rail, chain, max_tokens=200)
    wanted = {"job_type": "llm_call", "mission_id": chain.mission, "estimates": {"tokens": 150}}
    first, second = ask_all(rail, [("/decide", wanted)] * 2)
    reservation = (granted([first]) or granted([second]))[0]
    assert len(granted([first, second])) == 1
    now = time.time_ns()
    call = chain.span(1, 4, times=(now - 50 * MS, now), neurorail__reservation__id=reservation)
    set_attributes(call.attributes, CHAT)
    rail.send_spans(call)
    (settled,) = rail.events(chain.mission, "reservation_settled")
    assert settled["details"]["used"] == {
        "tokens": 120, "input_tokens": 100, "output_tokens": 20, "cost_usd": 0.00045,
        "model_calls": 1,
    }  # fmt: skip
    (third,) = ask_all(rail, [("/decide", {**wanted, "estimates": {"tokens": 80}})])
    assert (third["allowed"], third["remaining"]) == (True, {"tokens": 0})
    books = rail.get("/budgets", entity_id=chain.mission)["budgets"][0]
    assert (books["open_reservations"], books["limits"][0]["consumed"]) == (1, 120)
    rows = rail.rows(
        "SELECT decision_id, allowed, code, reservation_id FROM governor_decisions"
        " WHERE mission_id = {mission:String} AND decision_type = 'mode_decided'",
        3,
        mission=chain.mission,
    )
    told = {row["decision_id"]: (row["allowed"], row["code"]) for row in rows}
    assert told == {
        one["decision_id"]: (one["allowed"], one["code"] or "") for one in (first, second, third)
    }


POOL = """
neurorail_manifest: 1
name: pools
version: "1.0"
default_mode: rail
pools:
  - id: spend
    key: [context.team]
    window: {calendar: month, zone: Europe/Berlin}
    limits: {max_cost_usd: 5}
"""


@pytest.fixture(scope="module")
def pooled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rail]:
    """A server of its own, whose manifest knows a pool."""
    with running_server(tmp_path_factory.mktemp("pooled") / "data") as server:
        rail = Rail(server)
        hold(rail, POOL, "1.0")
        yield rail


def test_a_thousand_ask_at_once_for_a_pool_across_missions(pooled: Rail) -> None:
    chains = [Chain() for _ in range(50)]
    asked: list[tuple[str, Any]] = [
        ("/decide", {**CALL, "mission_id": chains[number % 50].mission, "context": TEAM})
        for number in range(1_000)
    ]
    answers = ask_all(pooled, asked)
    assert {one["mode"] for one in answers} == {"rail"}
    reservations = granted(answers)
    assert len(reservations) == 100
    (refused, *_) = [one for one in answers if not one["allowed"]]
    assert refused["reasons"][0]["scope"] == {"pool": "spend", "key": '["blue"]'}
    ask_all(pooled, [(f"/reservations/{one}/reconcile", SPENT) for one in reservations])
    assert len(granted(ask_all(pooled, asked[:100]))) == 20


def test_a_crash_while_a_thousand_ask_changes_nothing(tmp_path: Path) -> None:
    data, chain = tmp_path / "data", Chain()
    asked: list[tuple[str, Any]] = [
        ("/decide", {**CALL, "mission_id": chain.mission, "idempotency_key": f"k{number}"})
        for number in range(1_000)
    ]
    with running_server(data) as server:
        rail = Rail(server)
        begin_with_budget(rail, chain, max_cost_usd=5.0)
        before = ask_until_killed(rail, asked, 60)
    answered = [(place, one) for place, one in enumerate(before) if one is not None]
    assert 60 <= len(answered) < 1_000
    with running_server(data) as server:
        rail = Rail(server)
        after = ask_all(rail, asked)
        reservations = granted(after)
        assert len(set(reservations)) == 100
        # What was answered before is answered the same; what was not, is decided once.
        for place, one in answered:
            assert after[place]["allowed"] == one["allowed"]
            if one["allowed"]:
                assert after[place]["decision_id"] == one["decision_id"]
        ask_all(rail, [(f"/reservations/{one}/reconcile", SPENT) for one in reservations])
        more = [(path, {**body, "idempotency_key": f"again{n}"}) for n, (path, body) in
                enumerate(asked[:100])]  # fmt: skip
        assert len(granted(ask_all(rail, more))) == 20
    verified = subprocess.run(
        [sys.executable, "-m", "neurorail.app.cli", "audit", "verify", "--data-dir", str(data)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert verified.returncode == 0, verified.stdout + verified.stderr
