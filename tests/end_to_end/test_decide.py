"""What the governor grants over HTTP: never more than there is, whoever asks at the same time."""

from __future__ import annotations

from typing import Any

from tests.end_to_end.asking import ask_all, begin_with_budget
from tests.end_to_end.rail import Chain, Rail

CALL = {"job_type": "llm_call", "estimates": {"cost_usd": "0.05"}}


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
        [(f"/reservations/{one}/reconcile", {"usage": {"cost_usd": 0.04}}) for one in reservations],
    )
    assert {one["used"]["cost_usd"] for one in reconciled} == {"0.04"}
    # 4.00 are spent: 1.00 is left, twenty more.
    again = ask_all(rail, [("/decide", wanted)] * 100)
    assert len(granted(again)) == 20
    assert rail.entity(chain.mission)["mission"]["totals"]["cost_usd"] == 4
    assert again[0]["budgets"][0]["limit"] == 5
