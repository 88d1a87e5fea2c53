"""Writes over REST, judged by the real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
import pytest
from tests.support.events import START_UNIX_NANO
from tests.support.live_engine import LiveEngine
from tests.support.rail import Rail, running_rail

from neurorail.api.encoding import iso_time
from neurorail.api.minting import mint_id
from neurorail.collector.envelope import Kind

API = "/api/neurorail/v1"


class Written:
    """An API over a real engine."""

    def __init__(self, rail: Rail, live: LiveEngine) -> None:
        self.rail = rail
        self.live = live

    async def post(
        self, path: str, body: Any, status: int = 201, key: str | None = None, **query: Any
    ) -> Any:
        response = await self.send(path, body, key, **query)
        assert response.status_code == status, response.text
        return response.json()

    async def send(
        self, path: str, body: Any, key: str | None = None, **query: Any
    ) -> httpx2.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return await self.rail.client.post(f"{API}{path}", json=body, headers=headers, params=query)

    async def move(self, entity_id: str, *steps: str) -> Any:
        level = ("mission", "plan", "job", "attempt", "resource")["mpjar".index(entity_id[0])]
        answer = None
        for step in steps:
            body = {"entity_id": entity_id, "transition": step}
            answer = await self.post(f"/lifecycle/transition/{level}", body, 200)
        return answer

    async def chain(self) -> list[str]:
        """A mission down to an attempt, all running."""
        ids = [(await self.post("/identity/mission", {}))["entity_id"]]
        for level, more in (("plan", {}), ("job", {"job_type": "llm_call"}), ("attempt", {})):
            above = ("mission", "plan", "job")[len(ids) - 1]
            body = {f"{above}_id": ids[-1], **more}
            ids.append((await self.post(f"/identity/{level}", body))["entity_id"])
        for entity_id in ids:
            await self.move(entity_id, "enqueue", "start")
        return ids

    def commands(self) -> int:
        return sum(record.kind is Kind.COMMAND for record in self.live.records)


@pytest.fixture
async def written() -> AsyncIterator[Written]:
    live = LiveEngine()
    async with running_rail(live=live) as rail:
        yield Written(rail, live)


async def test_a_chain_is_created_and_read_back(written: Written) -> None:
    mission = await written.post(
        "/identity/mission",
        {
            "tags": {"team": "a"},
            "metadata": {"ticket": 7},
            "budget": {"max_cost_usd": "0.000000000001", "max_tokens": 0},
        },
    )
    assert mission["state"] == "pending"
    assert mission["warnings"] == []
    assert mission["budget"]["max_cost_usd"] == 1e-12
    assert mission["budget"]["max_tokens"] == 0
    plan = await written.post("/identity/plan", {"mission_id": mission["entity_id"]})
    job = await written.post(
        "/identity/job", {"plan_id": plan["entity_id"], "job_type": "tool_execution"}
    )
    first = await written.post("/identity/attempt", {"job_id": job["entity_id"]})
    await written.move(first["entity_id"], "enqueue", "start", "fail")
    second = await written.post("/identity/attempt", {"job_id": job["entity_id"]})
    assert (first["attempt_number"], second["attempt_number"]) == (1, 2)
    resource = await written.post(
        "/identity/resource",
        {"attempt_id": second["entity_id"], "resource_type": "llm_call", "model": "m"},
    )
    trace = await written.rail.get(f"/identity/trace/resource/{resource['entity_id']}")
    assert [trace[level]["entity_id"] for level in ("mission", "plan", "job", "attempt")] == [
        entity["entity_id"] for entity in (mission, plan, job, second)
    ]
    assert trace["mission"]["tags"] == {"team": "a"}
    assert trace["mission"]["metadata"] == {"ticket": 7}
    assert trace["resource"]["model"] == "m"


async def test_an_own_id_is_kept_and_its_second_creation_is_illegal(written: Written) -> None:
    created = await written.post("/identity/mission", {"mission_id": "m_mine"})
    assert created["entity_id"] == "m_mine"
    again = await written.post("/identity/mission", {"mission_id": "m_mine"}, 409)
    assert again["code"] == "NR-E301"
    assert again["details"]["current_state"] == "pending"
    assert again["details"]["allowed_transitions"] == ["enqueue", "cancel"]


async def test_an_unknown_parent_is_a_warning_or_refused_if_strict(written: Written) -> None:
    body = {"plan_id": "p_later", "job_type": "x", "job_id": "j_1"}
    refused = await written.post("/identity/job", body, 404, strict=True)
    assert refused["code"] == "NR-E304"
    assert refused["details"]["field"] == "plan_id"
    assert written.commands() == 0, "nothing was written"
    job = await written.post("/identity/job", body)
    assert [warning["code"] for warning in job["warnings"]] == ["orphan-candidate"]
    assert (await written.rail.get("/lifecycle/state/job/j_1"))["state"] == "pending"
    assert await written.post("/identity/plan", {"plan_id": "p_later", "mission_id": "m_x"})
    known = await written.post("/identity/job", body | {"job_id": "j_2"})
    assert known["warnings"] == []


@pytest.mark.parametrize(
    ("path", "body", "field", "code"),
    [
        ("/identity/plan", {}, "mission_id", "NR-E304"),
        ("/identity/job", {"job_type": "x", "mission_id": "m_1"}, "plan_id", "NR-E304"),
        ("/identity/attempt", {}, "job_id", "NR-E304"),
        ("/identity/resource", {"resource_type": "x"}, "attempt_id", "NR-E304"),
        ("/identity/plan", {"mission_id": "p_1"}, "mission_id", None),
        ("/identity/mission", {"mission_id": "m_" + "x" * 65}, "mission_id", None),
        ("/identity/mission", {"parent_mission_id": "x"}, "parent_mission_id", None),
        ("/identity/job", {"plan_id": "p_1"}, "job_type", None),
        ("/identity/job", {"plan_id": "p_1", "job_type": "x", "dependencies": ["a_1"]},
         "dependencies", None),
        ("/identity/mission", {"budget": {"max_tokens": -1}}, "budget.max_tokens", None),
        ("/identity/mission", {"budget": {"max_cost_usd": "0.0000000000001"}},
         "budget.max_cost_usd", None),
        ("/identity/mission", {"budget": {"max_token": 1}}, "budget.max_token", None),
        ("/identity/mission", {"metadata": {"x": "y" * 70_000}}, "metadata", None),
        ("/identity/attempt", {"job_id": "j_1", "attempt_number": 0}, "attempt_number", None),
        ("/lifecycle/transition/job", {"entity_id": "m_1", "transition": "start"}, "entity_id",
         None),
        ("/lifecycle/transition/job", {"entity_id": "j_1", "transition": "fly"}, "transition",
         None),
        ("/lifecycle/transition/crew", {"entity_id": "j_1", "transition": "start"}, "entity_type",
         None),
        ("/telemetry/record", {"entity_type": "job", "entity_id": "j_1", "cost_usd": "NaN"},
         "cost_usd", None),
        ("/telemetry/record", {"entity_type": "job", "entity_id": "a_1"}, "entity_id", None),
        ("/audit/log", {"event_type": "x", "event_category": "execution", "severity": "loud",
                        "message": "m"}, "severity", None),
        ("/audit/log", {"event_type": "x", "event_category": "execution", "severity": "info",
                        "message": "m", "job_id": "m_1"}, "job_id", None),
    ],
)  # fmt: skip
async def test_a_wrong_field_is_named(
    written: Written, path: str, body: dict[str, Any], field: str, code: str | None
) -> None:
    problem = await written.post(path, body, 422)
    assert problem["details"]["field"] == field
    assert problem["code"] == code
    assert written.commands() == 0


async def test_a_chain_that_contradicts_what_is_known_is_refused(written: Written) -> None:
    await written.post("/identity/mission", {"mission_id": "m_1"})
    await written.post("/identity/plan", {"plan_id": "p_1", "mission_id": "m_1"})
    body = {"plan_id": "p_1", "mission_id": "m_2", "job_type": "x"}
    problem = await written.post("/identity/job", body, 422)
    assert problem["details"]["field"] == "mission_id"
    assert "which is 'm_1'" in problem["detail"]


async def test_transitions_are_judged_at_once(written: Written) -> None:
    await written.post("/identity/mission", {"mission_id": "m_1"})
    path = "/lifecycle/transition/mission"
    illegal = await written.post(path, {"entity_id": "m_1", "transition": "succeed"}, 409)
    assert illegal["code"] == "NR-E301"
    assert illegal["category"] == "SYSTEM"
    assert illegal["details"]["allowed_transitions"] == ["enqueue", "cancel"]
    moved = await written.post(
        path, {"entity_id": "m_1", "transition": "ENQUEUE", "reason": "planned"}, 200
    )
    assert (moved["from_state"], moved["to_state"], moved["state"]) == (
        "pending",
        "queued",
        "queued",
    )
    assert moved["allowed_transitions"] == ["start", "cancel"]
    history = (await written.rail.get("/lifecycle/history/mission/m_1"))["transitions"]
    assert [one["transition"] for one in history] == ["create", "enqueue"]
    assert history[1]["reason"] == "planned"
    assert history[1]["transition_id"] == moved["transition_id"]
    assert history[1]["event_id"] == moved["event_id"]
    unknown = await written.post(path, {"entity_id": "m_2", "transition": "start"}, 404)
    assert unknown["status"] == 404


async def test_a_transition_right_after_the_end_is_illegal_too(written: Written) -> None:
    ids = await written.chain()
    await written.move(ids[3], "succeed")
    body = {"entity_id": ids[3], "transition": "fail"}
    problem = await written.post("/lifecycle/transition/attempt", body, 409)
    assert problem["details"]["allowed_transitions"] == []
    assert problem["details"]["current_state"] == "succeeded"


async def test_usage_is_charged_up_the_chain(written: Written) -> None:
    ids = await written.chain()
    answer = await written.post(
        "/telemetry/record",
        {
            "entity_type": "attempt", "entity_id": ids[3], "input_tokens": 100,
            "output_tokens": 20, "cost_usd": "0.000000000001",
        },
    )  # fmt: skip
    assert answer["cost_usd"] == 1e-12
    assert answer["warnings"] == []
    for entity_id in ids:
        metrics = await written.rail.get(f"/telemetry/metrics/{entity_id}")
        assert (metrics["input_tokens"], metrics["output_tokens"]) == (100, 20)
        assert metrics["cost_usd"] == 1e-12
    body = {"entity_type": "attempt", "entity_id": "a_new", "input_tokens": 1}
    await written.post("/telemetry/record", body, 404, strict=True)
    unknown = await written.post("/telemetry/record", body)
    assert unknown["warnings"][0]["code"] == "unknown-entity"


async def test_usage_over_the_budget_says_so(written: Written) -> None:
    await written.post("/identity/mission", {"mission_id": "m_1", "budget": {"max_tokens": 10}})
    body = {"entity_type": "mission", "entity_id": "m_1", "input_tokens": 11}
    answer = await written.post("/telemetry/record", body)
    assert answer["violations"] == ["tokens"]


async def test_an_audit_entry_is_an_event(written: Written) -> None:
    entry = {
        "event_type": "review", "event_category": "governance", "severity": "warning",
        "message": "looked at it", "details": {"by": "me"}, "mission_id": "m_1",
        "caused_by_agent": "critic",
    }  # fmt: skip
    logged = await written.post("/audit/log", entry)
    assert logged["warnings"][0]["field"] == "mission_id"
    found = (await written.rail.get("/audit/events", event_type="audit_logged"))["events"]
    assert [event["audit_id"] for event in found] == [logged["audit_id"]]
    assert found[0]["message"] == "looked at it"
    assert found[0]["severity"] == "warning"
    assert found[0]["timestamp"] == logged["timestamp"]
    assert found[0]["details"]["logged_type"] == "review"
    assert msgspec.json.decode(found[0]["details"]["details"]) == {"by": "me"}


# ── idempotency keys ─────────────────────────────────────────────────────────────────────────


async def test_a_creation_sent_again_makes_nothing_new(written: Written) -> None:
    first = await written.post("/identity/mission", {"tags": {"a": "b"}}, key="k1")
    response = await written.send("/identity/mission", {"tags": {"a": "b"}}, "k1")
    assert response.status_code == 201
    assert response.headers["idempotent-replayed"] == "true"
    assert response.json() == first
    other = await written.post("/identity/mission", {"tags": {"a": "b"}}, key="k2")
    assert other["entity_id"] != first["entity_id"]
    assert len((await written.rail.get("/missions"))["missions"]) == 2


async def test_the_same_key_with_another_body_is_refused(written: Written) -> None:
    await written.post("/identity/mission", {"tags": {"a": "b"}}, key="k1")
    problem = await written.post("/identity/mission", {"tags": {"a": "c"}}, 422, key="k1")
    assert problem["details"]["field"] == "Idempotency-Key"
    assert len((await written.rail.get("/missions"))["missions"]) == 1


async def test_a_key_belongs_to_its_endpoint(written: Written) -> None:
    mission = await written.post("/identity/mission", {}, key="k1")
    body = {"mission_id": mission["entity_id"]}
    assert (await written.post("/identity/plan", body, key="k1"))["entity_type"] == "plan"


async def test_a_transition_sent_again_answers_as_before(written: Written) -> None:
    await written.post("/identity/mission", {"mission_id": "m_1"})
    path, body = "/lifecycle/transition/mission", {"entity_id": "m_1", "transition": "enqueue"}
    first = await written.post(path, body, 200, key="k1")
    await written.move("m_1", "start")
    again = await written.post(path, body, 200, key="k1")
    changed = {"state", "allowed_transitions"}
    assert {k: v for k, v in again.items() if k not in changed} == {
        k: v for k, v in first.items() if k not in changed
    }
    assert again["state"] == "running"
    illegal = {"entity_id": "m_1", "transition": "enqueue"}
    refused = await written.post(path, illegal, 409, key="k2")
    repeated = await written.send(path, illegal, "k2")
    assert repeated.status_code == 409
    assert repeated.headers["idempotent-replayed"] == "true"
    assert repeated.json() == refused


async def test_usage_sent_again_is_charged_once(written: Written) -> None:
    await written.post("/identity/mission", {"mission_id": "m_1"})
    body = {"entity_type": "mission", "entity_id": "m_1", "input_tokens": 5}
    first = await written.post("/telemetry/record", body, key="k")
    assert await written.post("/telemetry/record", body, key="k") == first
    assert (await written.rail.get("/telemetry/metrics/m_1"))["input_tokens"] == 5


async def test_an_entry_sent_again_is_written_once(written: Written) -> None:
    entry = {
        "event_type": "x", "event_category": "safety", "severity": "info", "message": "m",
    }  # fmt: skip
    first = await written.post("/audit/log", entry, key="k")
    assert await written.post("/audit/log", entry, key="k") == first
    found = await written.rail.get("/audit/events", event_type="audit_logged")
    assert found["total"] == 1


async def test_a_key_that_is_no_key_is_refused(written: Written) -> None:
    problem = await written.post("/identity/mission", {}, 422, key="with space")
    assert problem["details"]["field"] == "idempotency-key"


def test_minted_ids_sort_by_their_time() -> None:
    earlier, later = mint_id(0, START_UNIX_NANO), mint_id(0, START_UNIX_NANO + 1_000_000)
    assert earlier < later
    assert len(earlier) == 34
    assert earlier[14] == "7"
    assert earlier[18] in "89ab"
    assert iso_time(int(earlier[2:14], 16) * 1_000_000) == iso_time(START_UNIX_NANO)
