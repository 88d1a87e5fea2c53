"""The chain of an entity, up and down."""

from __future__ import annotations

import pytest
from tests.support.engine import make_view
from tests.support.rail import Rail

from neurorail.collector.views import Totals
from neurorail.rules.observations import Budget, Fields

CHAIN = ("m_1", "p_1", "j_1", "a_1", "r_1")


def fill(rail: Rail) -> None:
    rail.engine.views = [make_view(*CHAIN[: level + 1]) for level in range(5)]
    rail.engine.views.append(make_view("m_1", "p_1", "j_1", "a_2"))


async def test_trace_of_a_mission_lists_all_below(rail: Rail) -> None:
    fill(rail)
    trace = await rail.get("/identity/trace/mission/m_1")
    assert trace["mission"]["mission_id"] == "m_1"
    assert [trace[level] for level in ("plan", "job", "attempt", "resource")] == [None] * 4
    assert [d["entity_id"] for d in trace["descendants"]] == ["p_1", "j_1", "a_1", "r_1", "a_2"]
    assert [r["resource_id"] for r in trace["resources"]] == ["r_1"]
    assert trace["truncated"] is False


async def test_trace_of_a_resource_has_every_ancestor(rail: Rail) -> None:
    fill(rail)
    trace = await rail.get("/identity/trace/resource/r_1")
    levels = ("mission", "plan", "job", "attempt", "resource")
    assert [trace[level]["entity_id"] for level in levels] == list(CHAIN)
    assert trace["resource"]["parent_id"] == "a_1"
    assert trace["resources"] == [trace["resource"]]
    assert trace["descendants"] == []


async def test_trace_shows_named_but_unseen_ancestors_as_implied_and_unnamed_as_null(
    rail: Rail,
) -> None:
    rail.engine.views = [make_view("m_9", None, "j_9")]  # type: ignore[arg-type]
    trace = await rail.get("/identity/trace/job/j_9")
    assert trace["plan"] is None
    assert trace["mission"] == {
        "entity_type": "mission",
        "entity_id": "m_9",
        "mission_id": "m_9",
        "state": None,
        "flags": ["implied"],
    }


async def test_trace_entity_shows_fields_budget_and_exact_money(rail: Rail) -> None:
    fields = Fields(
        job_type="llm_call",
        dependencies=("j_0",),
        tags=(("team", "blue"),),
        budget=Budget(max_cost_usd_pico=1_500_000_000_001, max_tokens=0),
        metadata_json='{"n":12345678901234567890}',
    )
    totals = Totals(input_tokens=7, output_tokens=3, cost_usd_pico=123_456_789_000_000_200_000)
    rail.engine.views = [make_view("m_1", "p_1", "j_1", fields=fields, totals=totals)]
    response = await rail.client.get("/api/neurorail/v1/identity/trace/job/j_1")
    job = response.json()["job"]
    assert job["job_type"] == "llm_call"
    assert job["dependencies"] == ["j_0"]
    assert job["tags"] == {"team": "blue"}
    assert job["budget"]["max_tokens"] == 0
    assert job["budget"]["timeout_ms"] is None
    assert job["totals"]["total_tokens"] == 10
    assert job["started_at"].endswith(".000000000Z")
    assert job["ended_at"] is None
    # Read as text: a float would not hold these digits.
    assert '"cost_usd":123456789.0000002,' in response.text
    assert '"max_cost_usd":1.500000000001,' in response.text
    assert '"metadata":{"n":12345678901234567890}' in response.text


async def test_trace_limit_cuts_and_says_so(rail: Rail) -> None:
    fill(rail)
    trace = await rail.get("/identity/trace/mission/m_1", limit=2)
    assert [d["entity_id"] for d in trace["descendants"]] == ["p_1", "j_1"]
    assert trace["truncated"] is True
    assert (await rail.get("/identity/trace/mission/m_1", limit=5))["truncated"] is False


@pytest.mark.parametrize("path", ["identity/trace", "lifecycle/state", "lifecycle/history"])
async def test_unknown_entity_is_404(rail: Rail, path: str) -> None:
    problem = await rail.get(f"/{path}/mission/m_none", 404)
    assert problem == {
        "type": "urn:neurorail:problem:unknown-entity",
        "title": "not found",
        "status": 404,
        "detail": "no mission with id 'm_none' is known",
        "code": None,
        "category": "SYSTEM",
        "retriable": False,
        "details": {"entity_type": "mission", "entity_id": "m_none"},
    }


@pytest.mark.parametrize("path", ["identity/trace", "lifecycle/state", "lifecycle/history"])
@pytest.mark.parametrize(
    ("entity_type", "entity_id", "field"),
    [
        ("missions", "m_1", "entity_type"),
        ("mission", "p_1", "entity_id"),
        ("mission", "m_", "entity_id"),
        ("mission", "m_" + "x" * 65, "entity_id"),
        ("mission", "m_%C3%A4", "entity_id"),
        ("mission", "m_1%0A", "entity_id"),
    ],
)
async def test_malformed_entity_is_422_and_named(
    rail: Rail, path: str, entity_type: str, entity_id: str, field: str
) -> None:
    response = await rail.client.get(f"/api/neurorail/v1/{path}/{entity_type}/{entity_id}")
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["details"]["field"] == field


async def test_entity_of_another_tenant_is_unknown(rail: Rail) -> None:
    rail.engine.views = [make_view("m_1", tenant="other")]
    await rail.get("/identity/trace/mission/m_1", 404)


@pytest.mark.parametrize(
    ("content", "kind", "detail"),
    [
        (b"{}", None, "body: it is not read as JSON: send it with the header Content-Type: "),
        (b"{}", "application/x-www-form-urlencoded", "header Content-Type: application/json"),
        (b"[]", "application/json", "body: input should be a valid dictionary"),
        (b'{"tags":', "application/json; charset=utf-8", "body: it is no JSON at character 8: "),
    ],
)
async def test_body_that_is_not_read_says_why(
    rail: Rail, content: bytes, kind: str | None, detail: str
) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    path = "/api/neurorail/v1/identity/mission"
    response = await rail.client.post(path, content=content, headers=headers)
    assert response.status_code == 422
    problem = response.json()
    assert detail in problem["detail"]
    assert problem["details"]["field"] == "body"


@pytest.mark.parametrize(
    ("content", "field", "detail"),
    [
        (b"\xff", "body", "JSON is malformed"),
        (b'{"job_type": 3, "reason": "\xc3\xa4"}', "job_type", "expected `str`, got `int`"),
    ],
)
async def test_decide_shows_the_text_that_it_cannot_read(
    rail: Rail, content: bytes, field: str, detail: str
) -> None:
    response = await rail.client.post("/api/governor/v1/decide", content=content)
    assert response.status_code == 422
    problem = response.json()
    assert detail in problem["detail"]
    assert problem["details"] == {"field": field, "value": content.decode("utf-8", "replace")}
