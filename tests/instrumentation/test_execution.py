from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from tests.instrumentation.conftest import Told

from neurorail.instrumentation import (
    NeuroRailFailed,
    NeuroRailRefused,
    arun,
    attempt,
    execution,
    mission,
    run,
    tool,
)
from neurorail.semconv import attributes as names


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries wait a moment at most."""
    monkeypatch.setattr(execution, "BACKOFF_MS", 1)


class StatusError(Exception):
    def __init__(self, status_code: int) -> None:
        super().__init__(f"status {status_code}")
        self.status_code = status_code


class Flaky:
    """Raises these, one a call, then answers."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self, answer: str = "done") -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return answer

    async def later(self, answer: str = "done") -> str:
        await asyncio.sleep(0)
        return self(answer)


def outcomes(told: Told) -> list[tuple[str, Any, Any]]:
    """Name, outcome and code of every span."""
    return [
        (span.name, (span.attributes or {}).get(names.OUTCOME),
         (span.attributes or {}).get(names.ERROR_CODE))
        for span in told.spans
    ]  # fmt: skip


def test_each_try_is_an_attempt(told: Told) -> None:
    flaky = Flaky(StatusError(503), ConnectionError())
    assert run("llm_call", flaky, "yes", retries=2, max_tokens=10) == "yes"
    assert outcomes(told) == [
        ("attempt 1", "failed", "NR-E004"),
        ("attempt 2", "failed", "NR-E004"),
        ("attempt 3", None, None),
        ("job llm_call", None, None),
    ]
    start = next(event for event in told.events if event[names.ENTITY_TYPE] == "job")
    assert start["neurorail.budget.max_retries"] == 2
    assert start["neurorail.budget.max_tokens"] == 10


async def test_a_coroutine_function_is_run_alike(told: Told) -> None:
    flaky = Flaky(StatusError(429))
    assert await arun("llm_call", flaky.later, answer="yes", retries=1, timeout_ms=60_000) == "yes"
    assert [name for name, *_ in outcomes(told)] == ["attempt 1", "attempt 2", "job llm_call"]


def test_when_retries_are_over_the_last_exception_is_the_cause(told: Told) -> None:
    last = StatusError(500)
    with pytest.raises(NeuroRailFailed) as raised:
        run("llm_call", Flaky(StatusError(500), last), retries=1)
    error = raised.value
    assert (error.code, error.attempts, error.__cause__) == ("NR-E003", 2, last)
    assert outcomes(told)[-1] == ("job llm_call", "failed", "NR-E003")


@pytest.mark.parametrize(("error", "calls"), [(StatusError(400), 1), (ValueError("bad"), 3)])
def test_only_what_may_pass_by_itself_is_tried_again(
    told: Told, error: Exception, calls: int
) -> None:
    flaky = Flaky(error, error, error)
    with pytest.raises(NeuroRailFailed):
        run("llm_call", flaky, retries=2)
    assert flaky.calls == calls


def test_named_exceptions_are_tried_again(told: Told) -> None:
    flaky = Flaky(StatusError(418))
    assert run("llm_call", flaky, retries=1, retry_on=(StatusError,)) == "done"


def test_without_retries_the_code_is_that_of_the_exception(told: Told) -> None:
    with pytest.raises(NeuroRailFailed, match=r"ConnectionError: gone \(NR-E004\)") as raised:
        run("llm_call", Flaky(ConnectionError("gone")))
    assert raised.value.retriable
    assert raised.value.category == "MECHANICAL"


def test_what_is_no_exception_passes(told: Told) -> None:
    with pytest.raises(KeyboardInterrupt):
        run("llm_call", Flaky(KeyboardInterrupt()), retries=3)


def test_a_refusal_passes_as_it_is(told: Told) -> None:
    refusal = NeuroRailRefused("NR-E002", "spent")
    flaky = Flaky(refusal)
    with pytest.raises(NeuroRailRefused) as raised:
        run("llm_call", flaky, retries=3)
    assert (raised.value, flaky.calls) == (refusal, 1)


def test_a_throttled_call_is_tried_after_the_time_it_names(told: Told) -> None:
    flaky = Flaky(NeuroRailRefused("NR-E010", "too fast", retry_after_ms=30))
    began = time.monotonic()
    assert run("llm_call", flaky, retries=1) == "done"
    assert time.monotonic() - began >= 0.03


def test_at_the_deadline_a_function_is_left_behind_and_its_next_call_refused(told: Told) -> None:
    refused: list[NeuroRailRefused] = []
    over, done = threading.Event(), threading.Event()

    def slow() -> None:
        over.wait()
        try:
            with tool("search"):
                pass
        except NeuroRailRefused as error:
            refused.append(error)
        done.set()

    with pytest.raises(NeuroRailFailed) as raised:
        run("tool_execution", slow, timeout_ms=20, grace_ms=1)
    over.set()
    assert done.wait(60)
    assert (raised.value.code, refused[0].code) == ("NR-E001", "NR-E001")
    assert outcomes(told)[0] == ("attempt 1", "timeout", "NR-E001")


def test_an_inner_timeout_is_not_the_deadline(told: Told) -> None:
    with pytest.raises(NeuroRailFailed) as raised:
        run("llm_call", Flaky(TimeoutError("the model")), timeout_ms=60_000)
    assert raised.value.code == "NR-E004"
    assert outcomes(told)[0][1] == "failed"


async def test_an_inner_timeout_of_a_coroutine_is_not_the_deadline(told: Told) -> None:
    async def inner() -> None:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(5)

    with pytest.raises(NeuroRailFailed) as raised:
        await arun("llm_call", inner, timeout_ms=60_000)
    assert raised.value.code == "NR-E004"


def test_the_own_exception_wins_over_the_deadline(told: Told) -> None:
    def slow() -> None:
        time.sleep(0.05)
        raise KeyError("mine")

    with pytest.raises(NeuroRailFailed) as raised:
        run("tool_execution", slow, timeout_ms=5, grace_ms=60_000)
    assert isinstance(raised.value.__cause__, KeyError)


async def test_a_coroutine_is_cancelled_at_its_deadline_and_may_clean_up(told: Told) -> None:
    cleaned = []

    async def slow() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    with pytest.raises(NeuroRailFailed) as raised:
        await arun("tool_execution", slow, timeout_ms=10)
    assert (raised.value.code, cleaned) == ("NR-E001", [True])
    assert outcomes(told)[0] == ("attempt 1", "timeout", "NR-E001")


async def test_a_coroutine_s_own_exception_wins_over_the_deadline(told: Told) -> None:
    async def slow() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            raise KeyError("mine")

    with pytest.raises(NeuroRailFailed) as raised:
        await arun("tool_execution", slow, timeout_ms=10)
    assert isinstance(raised.value.__cause__, KeyError)


async def test_a_cancellation_from_outside_passes(told: Told) -> None:
    begun = asyncio.Event()

    async def slow() -> None:
        begun.set()
        await asyncio.sleep(10)

    task = asyncio.ensure_future(arun("tool_execution", slow, timeout_ms=60_000, retries=3))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [name for name, *_ in outcomes(told)] == ["attempt 1", "job tool_execution"]


def test_the_chain_around_goes_on(told: Told) -> None:
    with mission("m") as m:
        run("x", lambda: None, job_id="j_1", timeout_ms=60_000)
    attributes = told.span("job x").attributes or {}
    assert (attributes[names.MISSION_ID], attributes[names.JOB_ID]) == (m.id, "j_1")


def test_retries_by_hand_are_counted_against_the_budget(told: Told) -> None:
    from neurorail.instrumentation import Budget, job

    with job("llm_call", budget=Budget(max_retries=1)):
        for _ in range(2):
            with attempt():
                pass
        with pytest.raises(NeuroRailRefused) as raised, attempt():
            pass
    assert raised.value.code == "NR-E003"
