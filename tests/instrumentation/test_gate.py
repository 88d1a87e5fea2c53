from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from contextvars import copy_context
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tests.instrumentation.conftest import Told

from neurorail.instrumentation import (
    Budget,
    NeuroRailRefused,
    attempt,
    current_entity,
    job,
    mission,
    resource,
    tool,
)
from neurorail.instrumentation.gate.config import GateConfig, Mode
from neurorail.instrumentation.gate.directive import Directive
from neurorail.instrumentation.gate.gate import Gate
from neurorail.instrumentation.gate.metrics import export_metrics
from neurorail.instrumentation.gate.rail import Rail
from neurorail.instrumentation.gate.reservation import Reservation
from neurorail.instrumentation.process import process
from neurorail.semconv import attributes as names


@pytest.fixture
def gate(told: Told) -> Iterator[Gate]:
    gate = process().gate
    yield gate
    gate.table.replace([], keep="none")


def about(entity: Any, action: str = "cancel", code: str = "NR-E008") -> Directive:
    scope = {"entity_type": entity.type, "entity_id": entity.id}
    return Directive(f"about {entity.id}", action, scope, code, "stopped", "switch")


async def test_running_tasks_of_a_cancelled_mission_end_with_the_reason(gate: Gate) -> None:
    cleaned: list[str] = []
    all_work = asyncio.Barrier(3)

    async def work(name: str) -> None:
        async with attempt():
            try:
                await all_work.wait()
                await asyncio.Event().wait()  # For ever.
            finally:
                cleaned.append(name)

    async def stop(directive: Directive) -> None:
        await all_work.wait()
        gate.apply(directive)

    async def both() -> None:
        async with mission("m") as m, job("x"):
            stopping = asyncio.create_task(stop(about(m)))
            await asyncio.gather(work("a"), work("b"), stopping)

    with pytest.raises(NeuroRailRefused) as raised:
        await both()
    assert (raised.value.code, raised.value.cancelled) == ("NR-E008", True)
    assert sorted(cleaned) == ["a", "b"]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_other_work_goes_on(gate: Gate) -> None:
    async def other() -> str:
        async with mission("other"):
            await asyncio.sleep(0.05)
            return "done"

    async def stopped() -> None:
        async with mission("m") as m:
            threading.Thread(target=gate.apply, args=(about(m),)).start()
            await asyncio.sleep(30)

    task = asyncio.create_task(other())
    with pytest.raises(NeuroRailRefused):
        await stopped()
    assert await task == "done"


async def test_the_own_exception_wins_over_a_cancellation(gate: Gate) -> None:
    async def work() -> None:
        async with mission("m") as m:
            gate.apply(about(m))
            try:
                await asyncio.sleep(30)
            finally:
                raise KeyError

    with pytest.raises(KeyError):
        await work()


async def test_a_cancellation_from_outside_stays_one(gate: Gate) -> None:
    async def work() -> None:
        async with mission("m") as m:
            gate.apply(about(m))
            asyncio.get_running_loop().call_soon(task.cancel)
            await asyncio.sleep(30)

    task = asyncio.ensure_future(work())
    with pytest.raises(asyncio.CancelledError):
        await task


def test_synchronous_work_stops_at_its_next_call(gate: Gate, told: Told) -> None:
    done = []

    def work() -> None:
        with mission("m") as m, attempt():
            with tool("a"):
                done.append("a")
            gate.apply(about(m))
            done.append("between")
            with tool("b"):
                done.append("b")

    with pytest.raises(NeuroRailRefused):
        work()
    assert done == ["a", "between"]
    attributes = told.span("mission m").attributes or {}
    assert (attributes[names.OUTCOME], attributes[names.ERROR_CODE]) == ("cancelled", "NR-E008")


def test_what_did_not_start_is_not_told_as_started(gate: Gate, told: Told) -> None:
    gate.apply(Directive("all", "suspend", {"tool": "shell"}, "NR-E006", "resting"))
    with mission("m"), pytest.raises(NeuroRailRefused), tool("shell"):
        pass
    assert [span.name for span in told.spans] == ["mission m"]
    gate.lift("all")
    with tool("shell"):
        pass


def test_facts_of_every_level_can_be_named(gate: Gate) -> None:
    for scope in ({"agent": "writer"}, {"tag.team": "sales", "job_type": "x"}, {"tool": "s"}):
        gate.apply(Directive("tried", "suspend", scope, "NR-E006", "resting"))
        with (
            pytest.raises(NeuroRailRefused),
            mission("m", agent="writer", tags={"team": "sales"}),
            job("x"),
            tool("s"),
        ):
            pass
        gate.lift("tried")


async def test_a_deadline_cancels_a_coroutine(told: Told) -> None:
    with pytest.raises(NeuroRailRefused) as raised:
        async with job("x", budget=Budget(timeout_ms=10)):
            await asyncio.sleep(30)
    assert raised.value.code == "NR-E001"
    assert (told.span("job x").attributes or {})[names.OUTCOME] == "timeout"


def test_a_deadline_refuses_the_next_synchronous_call(told: Told) -> None:
    with job("x", budget=Budget(timeout_ms=1)) as j:
        time.sleep(0.005)
        with pytest.raises(NeuroRailRefused) as raised, attempt():
            pass
    assert (raised.value.code, raised.value.scope) == ("NR-E001", j.id)


def test_parallel_children_are_limited(told: Told) -> None:
    with job("x", budget=Budget(max_parallel=1)) as j:
        context = copy_context()
        with attempt(), pytest.raises(NeuroRailRefused) as raised:
            context.run(attempt().__enter__)
        with attempt():
            pass
    assert (raised.value.code, raised.value.scope) == ("NR-E002", j.id)


def test_calls_of_tools_are_limited_exactly_also_by_threads(told: Told) -> None:
    made, refused = [], []

    def call() -> None:
        try:
            with tool("s"):
                made.append(1)
        except NeuroRailRefused:
            refused.append(1)

    with mission("m", budget=Budget(max_tool_calls=5)), attempt():
        threads = [threading.Thread(target=copy_context().run, args=(call,)) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (len(made), len(refused)) == (5, 7)


def test_usage_that_is_recorded_counts(told: Told) -> None:
    with mission("m", budget=Budget(max_tokens=10)) as m, attempt():
        with resource("llm_call") as r:
            r.record_usage(7, 3, response_id="x")
        assert m.used is not None
        assert m.used.tokens == 10
        with pytest.raises(NeuroRailRefused), resource("llm_call"):
            pass
    attributes = told.span("llm_call").attributes or {}
    assert attributes["gen_ai.usage.input_tokens"] == 7
    assert attributes["gen_ai.response.id"] == "x"
    assert current_entity() is None


@pytest.mark.parametrize(("mode", "made"), [("rail", ["called"]), ("direct", [])])
def test_below_a_reservation_a_budget_stops_what_does_not_ask(
    gate: Gate, mode: Mode, made: list[str]
) -> None:
    called = []
    # Nobody answers there, and calls go on.
    gate.control = Rail(GateConfig("http://127.0.0.1:9", mode=mode), process().events, "s")
    try:
        with mission("m") as m, attempt() as a:
            a.reservation = Reservation("v_1", 60_000)
            gate.apply(about(m, "suspend", "NR-E002"))
            with suppress(NeuroRailRefused), tool("s"):
                called.append("called")
            gate.apply(about(m, "suspend", "NR-E006"))
            with pytest.raises(NeuroRailRefused), tool("s"):
                pass
    finally:
        gate.disconnect()
    assert called == made


@pytest.mark.parametrize(
    ("told_by", "counted"),
    [
        ({"gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 3}, 10),
        ({"llm.token_count.prompt": 7, "llm.token_count.total": 12}, 12),
        ({"gen_ai.usage.output_tokens": 2, "gen_ai.usage.total_tokens": 9}, 9),
        ({"gen_ai.usage.input_tokens": 1, "gen_ai.usage.cache_read.input_tokens": 4}, 5),
        ({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 4.0}, 4),
        ({"gen_ai.operation.name": "my own", "gen_ai.usage.input_tokens": 4}, 4),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 4}, 0),
        ({"gen_ai.usage.input_tokens": -1, "gen_ai.usage.output_tokens": "many"}, 0),
        ({}, 0),
    ],
)
def test_usage_that_is_set_on_the_span_counts(
    told: Told, told_by: dict[str, Any], counted: int
) -> None:
    with mission("m", budget=Budget(max_tokens=100)) as m, attempt(), resource("llm_call"):
        trace.get_current_span().set_attributes(told_by)
    assert m.used is not None
    assert m.used.tokens == counted


def test_a_mission_stops_at_its_tokens_whoever_tells_them(told: Told) -> None:
    calls = []

    def call() -> None:
        with resource("llm_call"):
            usage = {"gen_ai.usage.input_tokens": 500, "gen_ai.usage.output_tokens": 100}
            trace.get_current_span().set_attributes(usage)
            calls.append(usage)

    with mission("m", budget=Budget(max_tokens=2_000)) as m, attempt():
        for _ in range(4):
            call()
        with pytest.raises(NeuroRailRefused) as raised:
            call()
    assert (len(calls), raised.value.code, raised.value.scope) == (4, "NR-E002", m.id)


def test_of_nested_calls_that_tell_the_same_usage_the_innermost_counts(told: Told) -> None:
    usage = {"gen_ai.usage.input_tokens": 10}
    with mission("m", budget=Budget(max_tokens=100)) as m, attempt():
        with resource("llm_call"):
            with resource("llm_call") as inner:
                inner.record_usage(10)
            trace.get_current_span().set_attributes(usage)
        with resource("llm_call"):
            trace.get_current_span().set_attributes(usage)
        with tool("an agent as a tool"):
            trace.get_current_span().set_attributes(usage)
    assert m.used is not None
    assert m.used.tokens == 20


def test_the_state_can_be_seen(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    gate.apply(Directive("tried", "suspend", {"tool": "s"}, "NR-E006", "resting"))
    before = gate.status().refusals
    with pytest.raises(NeuroRailRefused), tool("s"):
        pass
    now = gate.status()
    assert (now.state, now.directives, now.refusals) == ("off", 1, before + 1)
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    monkeypatch.setattr("opentelemetry.metrics.get_meter", provider.get_meter)
    export_metrics(gate.status)
    data = reader.get_metrics_data()
    assert data is not None
    found = {
        metric.name: metric.data.data_points[0].value  # type: ignore[union-attr]
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert found["neurorail.gate.connected"] == 0
    assert found["neurorail.gate.directives"] == 1
    assert found["neurorail.gate.refusals"] == before + 1
    provider.shutdown()
