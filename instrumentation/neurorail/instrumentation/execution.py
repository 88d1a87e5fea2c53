"""Runs one function as a job: attempts, timeout, retries with jitter, one kind of failure."""

from __future__ import annotations

import contextvars
import random
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from neurorail.instrumentation.budget import Budget
from neurorail.instrumentation.chain import attempt, job
from neurorail.instrumentation.entity import Entity
from neurorail.instrumentation.errors import (
    RETRIES_EXHAUSTED,
    TIMEOUT,
    NeuroRailError,
    NeuroRailFailed,
    NeuroRailRefused,
    error_code,
)
from neurorail.instrumentation.process import process
from neurorail.semconv.errors import retriable

R = TypeVar("R")

GRACE_MS: Final = 5_000
BACKOFF_MS: Final = 200
BACKOFF_MAX_MS: Final = 20_000
UNKNOWN: Final = "NR-E005"
"""What an exception means that says nothing else: the function got no answer it could use."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a function is run."""

    budget: Budget
    retries: int
    grace_s: float
    retry_on: tuple[type[BaseException], ...]

    def may_retry(self, error: BaseException, made: int) -> bool:
        """Whether another attempt follows."""
        if made > self.retries:
            return False
        return isinstance(error, self.retry_on) or retriable(code_in_run(error))

    @property
    def timeout_s(self) -> float | None:
        """Longest time of one attempt."""
        limit = self.budget.timeout_ms
        return None if limit is None else limit / 1_000


def code_in_run(error: BaseException) -> str:
    """The code of an exception that ended an attempt.

    A status such as 400 means that the request itself is wrong, and has no code: the same request
    again would not help.
    """
    refused = isinstance(getattr(error, "status_code", None), int)
    return error_code(error) or ("" if refused else UNKNOWN)


def run(
    job_type: str,
    function: Callable[..., R],
    *args: Any,
    retries: int = 0,
    timeout_ms: int | None = None,
    max_tokens: int | None = None,
    max_cost_usd: float | str | None = None,
    grace_ms: int = GRACE_MS,
    retry_on: tuple[type[BaseException], ...] = (),
    job_id: str | None = None,
    tags: Mapping[str, str] | None = None,
    **kwargs: Any,
) -> R:
    """Run a function as a job of the chain we are in, each try as an attempt of its own.

    With a timeout each attempt runs on a thread of its own, which sees the same context. A thread
    cannot be stopped from outside: at the deadline its next governed call is refused, and after the
    grace period it is left behind.

    Args:
        job_type: For example `llm_call`.
        function: What to run.
        *args: Its arguments.
        **kwargs: Its named arguments.
        retries: Attempts beyond the first, after a random wait that grows ("full jitter").
        timeout_ms: Longest time of one attempt, by the monotonic clock.
        max_tokens: Tokens of the whole job.
        max_cost_usd: Cost of the whole job.
        grace_ms: How long an attempt may take to end after its deadline.
        retry_on: Exceptions to try again after, besides those whose code is retriable.
        job_id: The job's id, where it is known before.
        tags: Tags of the job.

    Raises:
        NeuroRailFailed: no attempt succeeded; its `__cause__` is your function's own exception.
        NeuroRailRefused: the job, or a call in it, was refused or cancelled.

    >>> run("tool_execution", sorted, [3, 1, 2], timeout_ms=1_000)
    [1, 2, 3]
    """
    rules = _rules(retries, timeout_ms, max_tokens, max_cost_usd, grace_ms, retry_on)
    with job(job_type, id=job_id, tags=tags, budget=_job_budget(rules)) as whole:
        made = 0
        while True:
            made += 1
            try:
                with attempt(made, budget=_attempt_budget(rules)) as one:
                    return _call(one, rules, lambda: function(*args, **kwargs))
            except Exception as error:
                wait_s = _after(whole, rules, made, error)
            time.sleep(wait_s)


async def arun(
    job_type: str,
    function: Callable[..., Awaitable[R]],
    *args: Any,
    retries: int = 0,
    timeout_ms: int | None = None,
    max_tokens: int | None = None,
    max_cost_usd: float | str | None = None,
    grace_ms: int = GRACE_MS,
    retry_on: tuple[type[BaseException], ...] = (),
    job_id: str | None = None,
    tags: Mapping[str, str] | None = None,
    **kwargs: Any,
) -> R:
    """Run a coroutine function as `run` runs a function; at the deadline it is cancelled.

    >>> import asyncio
    >>> async def answer() -> int:
    ...     return 42
    >>> asyncio.run(arun("tool_execution", answer, timeout_ms=1_000))
    42
    """
    import asyncio

    rules = _rules(retries, timeout_ms, max_tokens, max_cost_usd, grace_ms, retry_on)
    async with job(job_type, id=job_id, tags=tags, budget=_job_budget(rules)) as whole:
        made = 0
        while True:
            made += 1
            try:
                async with attempt(made, budget=_attempt_budget(rules)) as one:
                    return await _acall(one, rules, function(*args, **kwargs))
            except Exception as error:
                wait_s = _after(whole, rules, made, error)
            await asyncio.sleep(wait_s)


def _rules(
    retries: int,
    timeout_ms: int | None,
    max_tokens: int | None,
    max_cost_usd: float | str | None,
    grace_ms: int,
    retry_on: tuple[type[BaseException], ...],
) -> Rules:
    budget = Budget(timeout_ms, max_tokens, max_cost_usd, max_retries=retries)
    return Rules(budget, retries, grace_ms / 1_000, retry_on)


def _job_budget(rules: Rules) -> Budget:
    return replace(rules.budget, timeout_ms=None)


def _attempt_budget(rules: Rules) -> Budget | None:
    limit = rules.budget.timeout_ms
    return None if limit is None else Budget(timeout_ms=limit)


def _after(whole: Entity, rules: Rules, made: int, error: Exception) -> float:
    """Seconds to wait before the next attempt.

    Raises:
        NeuroRailFailed: there is none.
    """
    if isinstance(error, NeuroRailRefused) and not (error.retriable and made <= rules.retries):
        raise error
    if not rules.may_retry(error, made):
        raise _failure(whole, rules, made, error) from _cause(error)
    known_ms = getattr(error, "retry_after_ms", None)
    if known_ms is not None:
        return float(known_ms) / 1_000
    return random.uniform(0, min(BACKOFF_MS << made, BACKOFF_MAX_MS)) / 1_000


def _cause(error: Exception) -> BaseException | None:
    return error.__cause__ if isinstance(error, NeuroRailFailed) else error


def _failure(whole: Entity, rules: Rules, made: int, error: Exception) -> NeuroRailFailed:
    own = code_in_run(error) or UNKNOWN
    exhausted = rules.retries > 0 and made > rules.retries
    code = RETRIES_EXHAUSTED if exhausted else own
    whole.set_outcome("timeout" if code == TIMEOUT else "failed", code)
    if exhausted:
        return NeuroRailFailed(code, f"{made} attempts failed, the last with {own}", attempts=made)
    if isinstance(error, NeuroRailError):
        return NeuroRailFailed(code, error.reason, attempts=made)
    return NeuroRailFailed(code, f"{type(error).__name__}: {error}", attempts=made)


def _late(one: Entity, rules: Rules) -> NeuroRailFailed:
    one.set_outcome("timeout", TIMEOUT)
    return NeuroRailFailed(
        TIMEOUT, f"attempt took longer than {rules.budget.timeout_ms} ms", attempts=1
    )


def _call(one: Entity, rules: Rules, function: Callable[[], R]) -> R:
    """Call a function, on a thread of its own if it has a deadline."""
    if rules.timeout_s is None:
        return function()
    outcome: list[tuple[R | None, BaseException | None]] = []
    within = contextvars.copy_context()

    def work() -> None:
        try:
            outcome.append((within.run(function), None))
        except BaseException as error:
            outcome.append((None, error))

    worker = threading.Thread(target=work, name=f"neurorail-{one.id}", daemon=True)
    worker.start()
    worker.join(rules.timeout_s)
    in_time = bool(outcome)
    if not in_time:
        process().gate.block(one, TIMEOUT, "the attempt's time is over")
        worker.join(rules.grace_s)
    # What the function itself said wins, except what came only after the deadline and says nothing.
    if outcome:
        value, error = outcome[0]
        if error is not None and not (not in_time and isinstance(error, NeuroRailRefused)):
            raise error
        if in_time:
            return value  # type: ignore[return-value]
    raise _late(one, rules)


async def _acall(one: Entity, rules: Rules, work: Awaitable[R]) -> R:
    """Await a coroutine; at its deadline it is cancelled and has the grace period to end."""
    import asyncio

    if rules.timeout_s is None:
        return await work
    if one.timer is not None:
        one.timer.cancel()  # We keep the time ourselves, with a period of grace.
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=rules.timeout_s)
        if done:
            return task.result()
        process().gate.block(one, TIMEOUT, "the attempt's time is over")
        task.cancel()
        await asyncio.wait({task}, timeout=rules.grace_s)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task}, timeout=rules.grace_s)
        raise
    if task.done() and not task.cancelled():
        error = task.exception()
        if error is not None and not isinstance(error, NeuroRailRefused):
            raise error
    raise _late(one, rules)
