"""Raising and lowering what a running mission may use, over the real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.api.test_writes import Written
from tests.support.live_engine import LiveEngine
from tests.support.rail import running_rail

MISSION = "/budgets/mission/m_1"
GOVERNOR = "/api/governor/v1"


@pytest.fixture
async def written() -> AsyncIterator[Written]:
    """A mission of one cent, a job of half a cent in it."""
    live = LiveEngine()
    async with running_rail(live=live) as rail:
        made = Written(rail, live)
        budget = {"max_cost_usd": "0.01"}
        await made.post("/identity/mission", {"mission_id": "m_1", "budget": budget})
        await made.post("/identity/plan", {"plan_id": "p_1", "mission_id": "m_1"})
        job = {"job_id": "j_1", "plan_id": "p_1", "job_type": "llm_call"}
        await made.post("/identity/job", {**job, "budget": {"max_cost_usd": "0.005"}})
        yield made


async def change(
    written: Written, path: str = MISSION, status: int = 200, key: str | None = None, **limits: Any
) -> Any:
    body = {"limits": limits, "reason": "agreed"}
    return await written.post(path, body, status, key)


async def spend(written: Written, usd: str) -> None:
    body = {"entity_type": "job", "entity_id": "j_1", "cost_usd": usd}
    await written.post("/telemetry/record", body)


async def may(written: Written, usd: str, **chain: str) -> bool:
    body = {"job_type": "llm_call", "mission_id": "m_1", "estimates": {"cost_usd": usd}, **chain}
    response = await written.rail.client.post(f"{GOVERNOR}/decide", json=body)
    return bool(response.json()["allowed"])


async def test_what_was_stopped_goes_on(written: Written) -> None:
    await spend(written, "0.012")
    assert not await may(written, "0.001")
    answer = await change(written, max_cost_usd="5.000000000001", max_tokens=100_000)
    assert answer.pop("event_id")
    assert answer.pop("timestamp").endswith("Z")
    assert answer == {
        "entity_type": "mission",
        "entity_id": "m_1",
        "mission_id": "m_1",
        "before": {"max_tokens": None, "max_cost_usd": 0.01},
        "limits": {"max_tokens": 100_000, "max_cost_usd": 5.000000000001},
        "reason": "agreed",
        "lifted": ["budget:m_1:cost:"],
        "remaining": [
            {"kind": "tokens", "limit": 100_000, "consumed": 0, "reserved": 0, "unsettled": 0,
             "left": 100_000, "least_left": 100_000, "bound_by": None},
            {"kind": "cost", "limit": 5.000000000001, "consumed": 0.012, "reserved": 0,
             "unsettled": 0, "left": 4.988000000001, "least_left": 4.988000000001,
             "bound_by": None},
        ],
    }  # fmt: skip
    assert await may(written, "0.001", plan_id="p_1")
    shown = await written.rail.get("/missions")
    assert shown["missions"][0]["budget"]["max_cost_usd"] == 5.000000000001


async def test_a_limit_is_not_removed_by_null(written: Written) -> None:
    refused = await change(written, status=422, max_cost_usd=None)
    assert "can be raised as far as you like, and not removed" in refused["detail"]
    await change(written, max_cost_usd=None, max_retries=3)
    shown = await written.rail.get("/missions")
    assert shown["missions"][0]["budget"]["max_cost_usd"] == 0.01


async def test_what_is_above_still_binds_and_the_answer_says_so(written: Written) -> None:
    answer = await change(written, "/budgets/job/j_1", max_cost_usd="0.5")
    (bound,) = answer["remaining"]
    assert (bound["left"], bound["least_left"]) == (0.5, 0.01)
    assert bound["bound_by"] == {"entity_type": "mission", "entity_id": "m_1"}
    assert not await may(written, "0.02", plan_id="p_1", job_id="j_1")


async def test_money_is_exact_to_the_last_digit(written: Written) -> None:
    body = {"limits": {"max_cost_usd": "123456.000000000001"}, "reason": "exact"}
    response = await written.send(MISSION, body)
    assert '"limits":{"max_cost_usd":123456.000000000001}' in response.text


async def test_it_is_on_record_with_old_and_new_limit_who_and_why(written: Written) -> None:
    answer = await change(written, max_retries=3)
    (event,) = (await written.rail.get("/audit/events", event_type="budget_changed"))["events"]
    assert event["audit_id"] == answer["event_id"]
    assert event["principal"] == "anonymous"
    assert event["details"]["before"] == {"max_retries": None}
    assert event["details"]["limits"] == {"max_retries": 3}
    assert event["details"]["reason"] == "agreed"


async def test_open_missions_are_listed_with_what_is_left(written: Written) -> None:
    for mission in ("m_2", "m_3"):
        budget = {"budget": {"max_tokens": 9, "max_cost_usd": 1}} if mission == "m_3" else {}
        await written.post("/identity/mission", {"mission_id": mission, **budget})
    assert await may(written, "0.004")
    listed = await written.rail.get("/budgets", entity_type="mission")
    limits = {one["entity_id"]: one["limits"] for one in listed["budgets"]}
    assert list(limits) == ["m_3", "m_1"], "newest first, those that are limited"
    (one,) = limits["m_1"]
    assert (one["kind"], one["reserved"], one["left"]) == ("cost", 0.004, 0.006)
    few = await written.rail.get("/budgets", entity_type="mission", limit=1)
    assert [one["entity_id"] for one in few["budgets"]] == ["m_3"]
    await written.move("m_3", "cancel")
    listed = await written.rail.get("/budgets", entity_type="mission")
    assert [one["entity_id"] for one in listed["budgets"]] == ["m_1"]
    both = {"entity_type": "mission", "entity_id": "m_1"}
    response = await written.rail.client.get("/api/neurorail/v1/budgets", params=both)
    assert response.status_code == 422


async def test_agents_are_told_with_their_directives(written: Written) -> None:
    await change(written, max_cost_usd="0.5")
    await change(written, "/budgets/job/j_1", max_tokens=9)
    told = (await written.rail.get("/control/directives"))["budgets"]
    assert told == [
        {"entity_type": "mission", "entity_id": "m_1", "limits": {"max_cost_usd": 0.5}},
        {"entity_type": "job", "entity_id": "j_1", "limits": {"max_tokens": 9}},
    ]
    others = await written.rail.get("/control/directives", scope="mission_id=m_2")
    assert others["budgets"] == []


async def test_what_has_ended_is_409(written: Written) -> None:
    await written.move("m_1", "enqueue", "start", "succeed")
    problem = await change(written, status=409, max_tokens=5)
    assert (problem["code"], problem["details"]["current_state"]) == ("NR-E301", "succeeded")
    again = await written.send(MISSION, {"limits": {"max_tokens": 5}, "reason": "agreed"}, "k")
    again = await written.send(MISSION, {"limits": {"max_tokens": 5}, "reason": "agreed"}, "k")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (409, "true")


async def test_what_is_not_known_is_404(written: Written) -> None:
    problem = await change(written, "/budgets/mission/m_9", 404, max_tokens=5)
    assert problem["details"]["entity_id"] == "m_9"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (MISSION, {"limits": {}, "reason": "r"}, "limits"),
        (MISSION, {"limits": {"max_tokens": -1}, "reason": "r"}, "limits.max_tokens"),
        (MISSION, {"limits": {"max_cost_usd": "-1"}, "reason": "r"}, "limits.max_cost_usd"),
        (MISSION, {"limits": {"max_cost": "1"}, "reason": "r"}, "limits.max_cost"),
        (MISSION, {"limits": {"max_tokens": 1}, "reason": "  "}, "reason"),
        (MISSION, {"limits": {"max_tokens": 1}}, "reason"),
        ("/budgets/mission/j_1", {"limits": {"max_tokens": 1}, "reason": "r"}, "entity_id"),
        ("/budgets/resource/r_1", {"limits": {"max_tokens": 1}, "reason": "r"}, "entity_type"),
    ],
)
async def test_what_makes_no_sense_is_422_and_names_the_field(
    written: Written, path: str, body: dict[str, Any], field: str
) -> None:
    problem = await written.post(path, body, 422)
    assert problem["details"]["field"] == field


async def test_sent_again_it_is_done_once(written: Written) -> None:
    first = await change(written, key="k1", max_tokens=5)
    await change(written, max_tokens=7)
    again = await change(written, key="k1", max_tokens=5)
    assert again["event_id"] == first["event_id"]
    (bound,) = [one for one in again["remaining"] if one["kind"] == "tokens"]
    assert bound["limit"] == 7
    await change(written, status=422, key="k1", max_tokens=6)
