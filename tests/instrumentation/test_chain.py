from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import baggage
from opentelemetry.trace import StatusCode
from tests.instrumentation.conftest import Told

from neurorail.instrumentation import (
    Budget,
    Entity,
    NeuroRailError,
    NeuroRailRefused,
    attempt,
    carrier,
    child_environment,
    current_entity,
    job,
    mission,
    plan,
    report,
    resource,
    resume,
    tool,
)
from neurorail.semconv import attributes as names

LEVELS = ("mission", "plan", "job", "attempt", "resource")


def test_every_level_has_a_span_with_the_chain_down_to_itself(told: Told) -> None:
    with (
        mission("report") as m,
        plan() as p,
        job("llm_call") as j,
        attempt() as a,
        resource("api_call") as r,
    ):
        pass
    chain = [m.id, p.id, j.id, a.id, r.id]
    by_type = {str(span.attributes[names.ENTITY_TYPE]): span for span in told.spans}  # type: ignore[index]
    assert list(by_type) == list(LEVELS[::-1])
    for level, kind in enumerate(LEVELS):
        attributes = dict(by_type[kind].attributes or {})
        ids = [attributes.get(name) for name in names.CHAIN_IDS]
        assert ids == chain[: level + 1] + [None] * (4 - level)
        assert re.fullmatch(rf"{kind[0]}_[0-9a-f]{{32}}", chain[level])
    assert by_type["resource"].parent is not None
    assert by_type["resource"].parent.span_id == by_type["attempt"].context.span_id
    assert by_type["attempt"].attributes["neurorail.attempt.number"] == 1  # type: ignore[index]


def test_a_start_is_told_before_the_span_ends_with_tags_and_budget(told: Told) -> None:
    budget = Budget(timeout_ms=5_000, max_tokens=0, max_cost_usd="0.10")
    with mission("report", tags={"team": "sales"}, budget=budget, agent="writer") as m:
        (event,) = told.events
        assert told.spans == []
    times = event.pop(names.TRANSITION_TIMES)
    assert len(times) == 3
    assert times[0] == times[2]
    assert event == {
        "event_name": names.TRANSITION_EVENT,
        names.TRANSITIONS: ("create", "enqueue", "start"),
        names.ENTITY_TYPE: "mission",
        names.MISSION_ID: m.id,
        "neurorail.tag.name": "report",
        "neurorail.tag.team": "sales",
        "neurorail.budget.timeout_ms": 5_000,
        "neurorail.budget.max_tokens": 0,
        "neurorail.budget.max_cost_usd": "0.10",
        "gen_ai.agent.name": "writer",
    }


def test_an_exception_goes_on_and_is_told(told: Told) -> None:
    with pytest.raises(ConnectionError, match="nobody"), mission("m"), job("llm_call"):
        raise ConnectionError("nobody answers")
    span = told.span("job llm_call")
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes[names.OUTCOME] == "failed"
    assert span.attributes[names.ERROR_CODE] == "NR-E004"
    assert span.attributes["error.type"] == "ConnectionError"


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (KeyboardInterrupt(), "cancelled", None),
        (SystemExit(1), "cancelled", None),
        (SystemExit(0), "succeeded", None),
        (NeuroRailError("NR-E001", "over"), "timeout", "NR-E001"),
        (NeuroRailRefused("NR-E008", "killed", cancelled=True), "cancelled", "NR-E008"),
        (NeuroRailRefused("NR-E001", "over", cancelled=True), "timeout", "NR-E001"),
        (NeuroRailRefused("NR-E002", "spent"), "failed", "NR-E002"),
        (TimeoutError(), "failed", "NR-E004"),
        (ValueError(), "failed", None),
    ],
)
def test_what_an_exception_means(
    told: Told, error: BaseException, outcome: str, code: str | None
) -> None:
    with pytest.raises(type(error)), attempt():
        raise error
    attributes = told.span("attempt 1").attributes or {}
    assert (attributes.get(names.OUTCOME), attributes.get(names.ERROR_CODE)) == (outcome, code)


def test_an_outcome_can_be_said(told: Told) -> None:
    with job("llm_call") as j:
        j.set_outcome("failed", "NR-E005")
    span = told.span("job llm_call")
    assert (span.attributes or {})[names.ERROR_CODE] == "NR-E005"
    assert span.status.status_code is StatusCode.ERROR
    with pytest.raises(ValueError, match="no outcome"):
        j.set_outcome("lost")


def test_missing_levels_get_ids_so_that_nothing_is_an_orphan(told: Told) -> None:
    with job("llm_call") as j:
        assert [name for name in names.CHAIN_IDS if name in j.ids] == list(names.CHAIN_IDS[:3])
        with tool("search") as r:
            assert len(r.ids) == 5
            assert r.ids[names.JOB_ID] == j.id
    assert (told.span("execute_tool search").attributes or {})[names.JOB_ID] == j.id


def test_a_mission_in_a_mission_is_a_sub_mission(told: Told) -> None:
    with mission("outer") as outer, plan(), job("x"), attempt(), mission("inner") as inner:
        assert inner.ids == {names.MISSION_ID: inner.id}
        assert baggage.get_baggage(names.JOB_ID) is None
    attributes = told.span("mission inner").attributes or {}
    assert attributes[names.MISSION_PARENT_ID] == outer.id


def test_attempts_number_themselves(told: Told) -> None:
    with job("llm_call"):
        for _ in range(2):
            with attempt():
                pass
        with attempt(7):
            pass
        with attempt():
            pass
    assert [span.name for span in told.spans[:4]] == [f"attempt {n}" for n in (1, 2, 7, 8)]
    with pytest.raises(ValueError, match="counted from 1"):
        attempt(0)


def test_foreign_spans_below_are_stamped_and_those_outside_are_not(told: Told) -> None:
    tracer = told.provider.get_tracer("somebody.else")
    with mission("m") as m, job("x") as j:
        with tracer.start_as_current_span("inside"):
            pass
        with tracer.start_as_current_span("own", attributes={names.MISSION_ID: "m_other"}):
            pass
    with tracer.start_as_current_span("outside"):
        pass
    inside = told.span("inside").attributes or {}
    assert (inside[names.MISSION_ID], inside[names.JOB_ID]) == (m.id, j.id)
    assert told.span("own").attributes == {names.MISSION_ID: "m_other"}
    assert told.span("outside").attributes == {}


def test_a_decorator_makes_an_entity_a_call(told: Told) -> None:
    seen: list[Entity | None] = []

    @job("llm_call", tags={"team": "sales"})
    def work(x: int) -> int:
        seen.append(current_entity())
        return x + 1

    assert (work(1), work(2)) == (2, 3)
    first, second = seen
    assert first is not None
    assert second is not None
    assert first.id != second.id
    assert [span.name for span in told.spans] == ["job llm_call"] * 2


async def test_the_same_objects_serve_coroutines(told: Told) -> None:
    @attempt()
    async def work(x: int) -> int:
        await asyncio.sleep(0)
        entity = current_entity()
        assert entity is not None
        assert entity.type == "attempt"
        return x

    async with mission("m") as m, job("x"):
        assert await asyncio.gather(*(work(n) for n in range(3))) == [0, 1, 2]
    spans = [span for span in told.spans if span.name.startswith("attempt")]
    assert sorted(span.name for span in spans) == ["attempt 1", "attempt 2", "attempt 3"]
    assert {(span.attributes or {})[names.MISSION_ID] for span in spans} == {m.id}


def test_generators_are_turned_away() -> None:
    with pytest.raises(TypeError, match="is a generator"):

        @job("x")
        def numbers() -> Any:
            yield 1


def test_an_entity_is_entered_once(told: Told) -> None:
    one = plan()
    with one:
        pass
    with pytest.raises(RuntimeError, match="make a new one"), one:
        pass


def test_threads_begin_outside_and_can_resume(told: Told) -> None:
    def work(headers: dict[str, str]) -> dict[str, str]:
        assert current_entity() is None
        with resume(headers=headers), attempt() as a:
            return a.ids

    with mission("m") as m, job("x") as j, ThreadPoolExecutor(1) as pool:
        ids = pool.submit(work, carrier()).result()
    assert (ids[names.MISSION_ID], ids[names.JOB_ID]) == (m.id, j.id)


def test_resume_by_ids(told: Told) -> None:
    with resume("m_1", "p_1", "j_1"), attempt() as a:
        assert list(a.ids.values())[:3] == ["m_1", "p_1", "j_1"]
    for wrong in ("x_1", "m_", "m_a b", "m_" + "a" * 65):
        with pytest.raises(ValueError, match="is no id"), resume(wrong):
            pass


def test_sub_processes_get_the_chain(told: Told) -> None:
    with mission("m") as m:
        variables = child_environment({"PATH": "/bin", "TRACEPARENT": "stale"})
    assert variables["PATH"] == "/bin"
    assert f"{m.span.get_span_context().trace_id:032x}" in variables["TRACEPARENT"]
    assert m.id in variables["BAGGAGE"]
    assert "BAGGAGE" not in child_environment({})


def test_given_ids_are_checked() -> None:
    assert job("x", id="j_42.a-b_C").id == "j_42.a-b_C"
    with pytest.raises(ValueError, match="is no id of a job"):
        job("x", id="m_42")


def test_transitions_of_elsewhere_can_be_reported(told: Told) -> None:
    with mission("m", id="m_9"), plan(id="p_9"):
        report("j_9", "create", "enqueue")
        report("j_9", "cancel", reason="not needed", code="NR-E008")
        with job("x", id="j_9", queued=True):
            pass
    told_of = [event for event in told.events if event[names.ENTITY_TYPE] == "job"]
    assert told_of[0][names.TRANSITIONS] == ("create", "enqueue")
    assert told_of[0][names.PLAN_ID] == "p_9"
    assert told_of[1][names.TRANSITION] == "cancel"
    assert told_of[1][names.REASON] == "not needed"
    assert told_of[2][names.TRANSITION] == "start"
    with pytest.raises(ValueError, match="write one or more"):
        report("j_9", "finish")
    with pytest.raises(ValueError, match="is no id"):
        report("z_9", "start")


@pytest.mark.parametrize(
    "wrong",
    [{"max_tokens": -1}, {"timeout_ms": 1.5}, {"max_cost_usd": "cheap"}, {"max_cost_usd": -1},
     {"max_retries": True}],
)  # fmt: skip
def test_budgets_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Budget(**wrong)


def test_budgets_are_read_from_the_environment() -> None:
    given = {"NEURORAIL_BUDGET_MAX_TOKENS": "8000", "NEURORAIL_BUDGET_MAX_COST_USD": " 0.5 "}
    assert Budget.from_environment(given) == Budget(max_tokens=8_000, max_cost_usd="0.5")
    assert Budget.from_environment({}) is None
    with pytest.raises(ValueError, match="NEURORAIL_BUDGET_MAX_RETRIES"):
        Budget.from_environment({"NEURORAIL_BUDGET_MAX_RETRIES": "many"})
