"""Asking the governor over HTTP, by the short way and the long one, judged by the real engine."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.live_engine import LiveEngine
from tests.support.rail import AnsweringInbox, Rail, open_access, running_rail

from neurorail.api import hot
from neurorail.api.decide_input import CONTEXT_MAX
from neurorail.collector.access import NewKey
from neurorail.collector.stream import StreamEvent

GOVERNOR = "/api/governor/v1"
CALL: dict[str, Any] = {"job_type": "llm_call", "mission_id": "m_1", "estimates": {"cost_usd": 1}}
LONG_WAY = {"tenant": "default"}
"""A query: the short way knows none."""


class Desk:
    """An API over a real engine."""

    def __init__(self, rail: Rail, live: LiveEngine) -> None:
        self.rail = rail
        self.live = live

    async def post(self, path: str, body: Any = None, status: int = 200, **more: Any) -> Any:
        response = await self.rail.client.post(f"{GOVERNOR}{path}", json=body, **more)
        assert response.status_code == status, response.text
        return response.json()

    async def get(self, path: str, **query: Any) -> Any:
        response = await self.rail.client.get(f"{GOVERNOR}{path}", params=query)
        assert response.status_code == 200, response.text
        return response.json()

    async def mission(self, entity_id: str, **budget: Any) -> None:
        body = {"mission_id": entity_id, "budget": budget}
        response = await self.rail.client.post("/api/neurorail/v1/identity/mission", json=body)
        assert response.status_code == 201, response.text


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    live = LiveEngine()
    async with running_rail(live=live) as rail:
        yield Desk(rail, live)


def without(answer: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in names}


async def test_an_answer_says_all_there_is_to_say(desk: Desk) -> None:
    await desk.mission("m_1", max_cost_usd="1.50", max_tokens=10)
    answer = await desk.post("/decide", {**CALL, "estimates": {"cost_usd": "0.25", "tokens": 4}})
    assert re.fullmatch("d_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}", answer["decision_id"])
    assert answer["reservation"]["id"][2:] == answer["decision_id"][2:]
    assert answer["reservation"]["ttl_ms"] == 60_000
    assert without(answer, "decision_id", "reservation", "timestamp", "budgets") == {
        "mode": "direct",
        "allowed": True,
        "code": None,
        "reason": "no rule matches: the manifest's default holds",
        "reasons": [],
        "matched_rules": [],
        "recovery_strategy": "retry",
        "reserved": {"tokens": 4, "input_tokens": 4, "output_tokens": 4, "cost_usd": 0.25,
                     "model_calls": 1, "wall_time": 60_000},
        "estimated": [],
        "remaining": {"tokens": 6, "cost_usd": 1.25},
        "retry_after_ms": None,
        "job_type": "llm_call",
        "manifest_version": "1",
        "override": None,
        "mission_id": "m_1",
        "plan_id": None,
        "job_id": None,
        "attempt_id": None,
        "resource_id": None,
    }  # fmt: skip
    assert answer["budgets"] == [
        {"scope": {"entity_type": "mission", "entity_id": "m_1"}, "kind": "tokens", "limit": 10,
         "consumed": 0, "held": 4, "left": 6, "renews_at_unix_nano": None},
        {"scope": {"entity_type": "mission", "entity_id": "m_1"}, "kind": "cost", "limit": 1.5,
         "consumed": 0, "held": 0.25, "left": 1.25, "renews_at_unix_nano": None},
    ]  # fmt: skip


async def test_a_refusal_is_an_answer(desk: Desk) -> None:
    await desk.mission("m_1", max_cost_usd=0.5)
    answer = await desk.post("/decide", CALL)
    assert (answer["allowed"], answer["code"], answer["reservation"]) == (False, "NR-E002", None)
    assert answer["retry_after_ms"] is None
    (reason,) = answer["reasons"]
    assert (reason["asked"], reason["left"], reason["retriable"]) == (1, 0.5, False)


async def test_reservations_are_reconciled_and_released(desk: Desk) -> None:
    await desk.mission("m_1", max_cost_usd=2)
    first, second = [(await desk.post("/decide", CALL))["reservation"]["id"] for _ in range(2)]
    assert not (await desk.post("/decide", CALL))["allowed"]
    settled = await desk.post(
        f"/reservations/{first}/reconcile", {"usage": {"cost_usd": "0.000000000001"}}
    )
    assert settled == {
        "reservation_id": first,
        "how": "reconciled",
        "reserved": {"tokens": 8_000, "input_tokens": 8_000, "output_tokens": 8_000, "cost_usd": 1,
                     "model_calls": 1, "wall_time": 60_000},
        "used": {"cost_usd": 1e-12},
        "overshoot": {},
        "corrected": {"cost_usd": 1e-12},
    }  # fmt: skip
    assert (await desk.post(f"/reservations/{second}/release"))["how"] == "released"
    answer = await desk.post("/decide", CALL)
    assert answer["remaining"] == {"cost_usd": 0.999999999999}
    unknown = await desk.post("/reservations/v_none/release", status=404)
    assert unknown["details"] == {"reservation_id": "v_none"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ([], "body"),
        ({**CALL, "job_typo": "x"}, "body"),
        ({**CALL, "mission_id": "x_1"}, "mission_id"),
        ({**CALL, "attempt_id": "m_1"}, "attempt_id"),
        ({**CALL, "job_type": ""}, "job_type"),
        ({**CALL, "estimates": {"tokens": -1}}, "estimates.tokens"),
        ({**CALL, "estimates": {"cost_usd": -1}}, "estimates.cost_usd"),
        ({**CALL, "estimates": {"cost_usd": "a lot"}}, "estimates.cost_usd"),
        ({**CALL, "estimates": {"dollars": 1}}, "estimates"),
        ({**CALL, "context": {"a": [1]}}, "context[...]"),
        ({**CALL, "context": {"a": 2**63}}, "context[...]"),
        ({**CALL, "context": {str(n): n for n in range(CONTEXT_MAX + 1)}}, "context"),
        ({**CALL, "idempotency_key": "k" * 201}, "idempotency_key"),
    ],
)
async def test_a_field_that_cannot_be_read_is_named(desk: Desk, body: Any, field: str) -> None:
    for query in ({}, LONG_WAY):
        problem = await desk.post("/decide", body, 422, params=query)
        assert problem["details"]["field"] == field
    assert desk.live.records == []


async def test_absurd_amounts_are_no_trouble(desk: Desk) -> None:
    absurd = {**CALL, "estimates": {"tokens": 2**63 - 1, "cost_usd": 9_000_000}}
    for _ in range(3):
        reservation = (await desk.post("/decide", absurd))["reservation"]["id"]
    most = {"usage": {"cost_usd": 9_000_000, "input_tokens": 2**63 - 1, "output_tokens": 2**63 - 1}}
    settled = await desk.post(f"/reservations/{reservation}/reconcile", most)
    assert settled["used"]["tokens"] == 2**64 - 2


async def test_reports_are_read_strictly(desk: Desk) -> None:
    one = (await desk.post("/decide", CALL))["reservation"]["id"]
    for path, body, field in (
        (f"/reservations/{one}/forget", {}, "operation"),
        (f"/reservations/{'v' * 201}/release", {}, "reservation_id"),
        (f"/reservations/{one}/release", {"usage": {"tokens": 1}}, "usage"),
        (f"/reservations/{one}/reconcile", {"usage": {"tokens": "1"}}, "usage.tokens"),
    ):
        problem = await desk.post(path, body, 422)
        assert problem["details"]["field"] == field


async def test_the_same_key_is_the_same_answer(desk: Desk) -> None:
    first = await desk.post("/decide", {**CALL, "idempotency_key": "k"})
    again = await desk.post("/decide", CALL, headers={"idempotency-key": "k"})
    lease = first["reservation"].pop("ttl_ms") - again["reservation"].pop("ttl_ms")
    assert lease == 1_000  # Each record comes a second after the one before.
    assert without(first, "timestamp") == without(again, "timestamp")
    other = await desk.post("/decide", {**CALL, "job_type": "x", "idempotency_key": "k"}, 422)
    assert other["type"] == "urn:neurorail:problem:idempotency-conflict"
    bad = await desk.post("/decide", CALL, 422, headers={"idempotency-key": "k" * 201})
    assert bad["details"]["field"] == "idempotency-key"


async def test_decisions_and_stats(desk: Desk) -> None:
    for number in range(3):
        await desk.post("/decide", {**CALL, "mission_id": f"m_{number}"})
    page = await desk.get("/decisions", limit=2)
    assert [one["mission_id"] for one in page["decisions"]] == ["m_2", "m_1"]
    rest = await desk.get("/decisions", limit=2, cursor=page["next_cursor"])
    assert [one["mission_id"] for one in rest["decisions"]] == ["m_0"]
    (one,) = (await desk.get("/decisions", mission_id="m_1"))["decisions"]
    assert one["allowed"]
    assert without(one, "reservation")["remaining"] == {}
    stats = await desk.get("/stats")
    assert without(stats, "recent_decisions") == {
        "total_decisions": 3, "direct_mode_count": 3, "rail_mode_count": 0,
        "allowed_count": 3, "refused_count": 0, "refused_by_code": {},
    }  # fmt: skip
    assert [one["mission_id"] for one in stats["recent_decisions"]] == ["m_2", "m_1", "m_0"]


# ── the short way and the long one ───────────────────────────────────────────────────────────


async def test_both_ways_give_the_same_answers(desk: Desk) -> None:
    """A query, an origin, another host or a large body take the long way."""
    ways: list[dict[str, Any]] = [
        {}, {"params": LONG_WAY}, {"headers": {"origin": "http://localhost"}},
    ]  # fmt: skip
    answers = [await desk.post("/decide", CALL, **way) for way in ways]
    assert len({one["decision_id"] for one in answers}) == 3
    changing = ("decision_id", "reservation", "timestamp")
    assert [without(one, *changing) for one in answers] == [without(answers[0], *changing)] * 3
    for way in ways:
        problem = await desk.post("/decide", {**CALL, "mission_id": "x"}, 422, **way)
        assert problem["title"] == "unprocessable entity"
    padded = {**CALL, "context": {str(n): "x" * 1_000 for n in range(64)}}
    assert len(str(padded)) < hot.BODY_BYTES_MAX
    assert (await desk.post("/decide", padded))["allowed"]
    await desk.post("/decide", {**padded, "x": "x" * hot.BODY_BYTES_MAX}, 422)


async def test_another_host_is_refused(desk: Desk) -> None:
    await desk.post("/decide", CALL, 421, headers={"host": "evil.example"})


async def test_other_methods_take_the_long_way(desk: Desk) -> None:
    response = await desk.rail.client.get(f"{GOVERNOR}/decide")
    assert response.status_code == 405


async def test_an_engine_that_is_away(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone(seq: int) -> list[StreamEvent]:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(desk.live, "applied", gone)
    problem = await desk.post("/decide", CALL, 500)
    assert problem["detail"] == "the server failed to answer; its log says why"

    async def silent(seq: int) -> list[StreamEvent]:
        return []

    monkeypatch.setattr(desk.live, "applied", silent)
    problem = await desk.post("/decide", CALL, 500)
    assert "record_failed" in problem["detail"]


async def test_a_server_whose_engine_is_busy() -> None:
    async with running_rail() as rail:
        response = await rail.client.get(f"{GOVERNOR}/stats")
        assert response.status_code == 503


# ── who may ──────────────────────────────────────────────────────────────────────────────────


async def test_agents_ask_and_settle_their_own(tmp_path: Path) -> None:
    live = LiveEngine()
    access = open_access(AnsweringInbox(), tmp_path / "keys.json")
    callers: dict[str, dict[str, Any]] = {
        "one": {"agent": True},
        "other": {"agent": True},
        "limited": {"role": "operator", "missions": ("m_1",)},
        "viewer": {"role": "viewer"},
        "operator": {"role": "operator"},
        "admin": {"role": "admin"},
    }
    keys = {
        name: access.gate.keys.create(NewKey(name=name, **may), "test")[1]
        for name, may in callers.items()
    }
    async with running_rail(live=live, access=access) as rail:

        async def post(
            who: str | None, path: str, body: Any, status: int = 200, **query: Any
        ) -> httpx2.Response:
            headers = {"x-api-key": keys[who]} if who else {}
            response = await rail.client.post(
                f"{GOVERNOR}{path}", json=body, headers=headers, params=query
            )
            assert response.status_code == status, response.text
            return response

        ways: tuple[dict[str, Any], ...] = ({}, LONG_WAY)
        for query in ways:
            await post(None, "/decide", CALL, 401, **query)
            await post("viewer", "/decide", CALL, 403, **query)
            await post("limited", "/decide", {**CALL, "mission_id": "m_2"}, 403, **query)
            await post("limited", "/decide", CALL, **query)
            denied = await post("operator", "/decide", {**CALL, "override": "now"}, 403, **query)
            assert denied.json()["details"]["permission"] == "emergency:override"
        granted = await post("one", "/decide", CALL)
        assert "ratelimit" in granted.headers
        path = f"/reservations/{granted.json()['reservation']['id']}/release"
        await post("other", path, {}, 404)
        await post("limited", path, {}, 404)
        await post("one", path, {})
        await post("operator", path, {})
        override = await post("admin", "/decide", {**CALL, "override": "now"})
        assert override.json()["override"] == "now"


# ── what is left ─────────────────────────────────────────────────────────────────────────────


async def test_budgets_of_an_entity_and_pools(desk: Desk) -> None:
    await desk.mission("m_1", max_cost_usd=2)
    await desk.post("/decide", CALL)

    async def budgets(status: int = 200, **query: str) -> Any:
        path = "/api/neurorail/v1/budgets"
        response = await desk.rail.client.get(path, params=query)
        assert response.status_code == status, response.text
        return response.json()

    shown = await budgets(entity_id="m_1")
    assert shown["budgets"] == [
        {
            "entity_type": "mission",
            "entity_id": "m_1",
            "rolling_ms": None,
            "open_reservations": 1,
            "begins_at": None,
            "ends_at": None,
            "limits": [
                {"kind": "cost", "limit": 2, "consumed": 0, "held": 1, "left": 1, "reserved": 1,
                 "unsettled": 0, "renews_at_unix_nano": None, "severity": "enforce",
                 "rule_id": "own_budget"},
            ],
        }
    ]  # fmt: skip
    assert (await budgets())["budgets"] == []
    await budgets(404, entity_id="m_2")
    await budgets(422, entity_id="x")


async def test_bodies_are_described(desk: Desk) -> None:
    paths = (await desk.rail.client.get("/openapi.json")).json()["paths"]
    body = paths[f"{GOVERNOR}/decide"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert body["required"]
    assert schema["required"] == ["job_type"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["job_type"] == {"type": "string", "minLength": 1, "maxLength": 200}
    estimates = schema["properties"]["estimates"]["properties"]
    assert estimates["cost_usd"]["anyOf"][0] == {"type": ["string", "number"], "format": "decimal"}
    report = paths[f"{GOVERNOR}/reservations/{{reservation_id}}/{{operation}}"]["post"]
    assert "usage" in report["requestBody"]["content"]["application/json"]["schema"]["properties"]
