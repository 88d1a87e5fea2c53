"""One entity of the chain while it runs in this process: its span, its ids, its events."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Coroutine
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeAlias, TypeVar

from opentelemetry import baggage, context, trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from neurorail.instrumentation import current
from neurorail.instrumentation.budget import Budget
from neurorail.instrumentation.errors import NeuroRailError, NeuroRailRefused, error_code
from neurorail.instrumentation.gate.budgets import Used
from neurorail.instrumentation.gate.call import NO_USAGE, Call, Usage
from neurorail.instrumentation.ids import checked_id, new_id
from neurorail.instrumentation.loops import is_cancellation
from neurorail.instrumentation.process import process
from neurorail.instrumentation.safety import Safely
from neurorail.semconv import attributes as names

if TYPE_CHECKING:
    import asyncio

    from neurorail.instrumentation.gate.reservation import Reservation

ErrorType: TypeAlias = "type[BaseException] | None"
Teller: TypeAlias = Callable[[Span, tuple[Any, ...], dict[str, Any]], None]
P = ParamSpec("P")
R = TypeVar("R")

SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
TIMEOUT: Final = "timeout"
CANCELLED: Final = "cancelled"
OUTCOMES: Final = (SUCCEEDED, FAILED, TIMEOUT, CANCELLED)

ALL_STEPS: Final = ("create", "enqueue", "start")
FACTS: Final = {
    "gen_ai.agent.name": "agent",
    names.PLAN_TYPE: "plan_type",
    names.JOB_TYPE: "job_type",
    names.RESOURCE_TYPE: "resource_type",
    "gen_ai.tool.name": "tool",
    names.ATTEMPT_NUMBER: "attempt_number",
}
"""Attributes of an entity that rules know by another name."""
ID_FACTS: Final = tuple(f"{level}_id" for level in names.ENTITY_TYPES)
OPERATIONS: Final = {"llm_call": "inference", "embedding": "embedding", "tool_call": "tool"}
TAG_LENGTH: Final = len(names.TAG_PREFIX)
STATUS_TEXT_MAX: Final = 256

_STARTING: Final = Safely("starting an entity")
_ENDING: Final = Safely("ending an entity")


class Entity:
    """A mission, plan, job, attempt or resource: `with`, `async with`, or a decorator.

    It is entered once. As a decorator it makes a new entity for every call. Levels above it that
    the context does not name get ids of their own, so that nothing is without a parent.
    """

    # What most entities never change is here rather than made anew for each.
    span: Span = INVALID_SPAN
    parent: Entity | None = None
    attempts = 0
    """Attempts of this job that were numbered here."""
    used: Used | None = None
    """Of an entity with limits, what was used below it."""
    limited = False
    """Whether it or an entity above it has limits; known once it is entered."""
    counted = False
    started_monotonic_ns = 0
    call: Call | None = None
    """Of a resource that the gate was asked about."""
    usage: Usage = NO_USAGE
    told_below = False
    """Whether a call inside of it told what it used, which the entity can only repeat."""
    reservation: Reservation | None = None
    task: asyncio.Task[Any] | None = None
    timer: asyncio.TimerHandle | None = None
    stopped: NeuroRailRefused | None = None
    """Why its task is being cancelled."""
    _facts: dict[str, str] | None = None
    _attached: Token[Context] | None = None
    _entered = False
    _outcome = ""
    _code = ""

    def __init__(
        self,
        level: int,
        span_name: str,
        own: dict[str, AttributeValue],
        *,
        given_id: str | None = None,
        budget: Budget | None = None,
        steps: tuple[str, ...] = ALL_STEPS,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> None:
        """Prepare, without starting; use `mission`, `plan`, `job`, `attempt`, `resource`."""
        self.level = level
        self.kind = kind
        self.budget = budget
        self.id = "" if given_id is None else checked_id(level, given_id)
        self.ids: dict[str, str] = {}
        self._give_id = given_id
        self._span_name = span_name
        own[names.ENTITY_TYPE] = names.ENTITY_TYPES[level]
        if budget is not None:
            own.update(budget.attributes())
            self.used = Used()
            self.limited = True
        self._own = own
        self._steps = steps

    @property
    def type(self) -> str:
        """`mission`, `plan`, `job`, `attempt` or `resource`."""
        return names.ENTITY_TYPES[self.level]

    def set_outcome(self, outcome: str, code: str = "") -> None:
        """Say how it ends, instead of what leaving the block would say.

        Args:
            outcome: `succeeded`, `failed`, `timeout` or `cancelled`.
            code: An error code, for example `NR-E005`.

        Raises:
            ValueError: there is no such outcome.
        """
        if outcome not in OUTCOMES:
            raise ValueError(f"{outcome!r} is no outcome: write one of {', '.join(OUTCOMES)}")
        self._outcome, self._code = outcome, code

    def record_usage(
        self, input_tokens: int, output_tokens: int = 0, *, response_id: str = ""
    ) -> None:
        """Say what the call of a resource used, where no instrumented client says it.

        Args:
            input_tokens: Cached ones included.
            output_tokens: Reasoning included.
            response_id: The provider's id of the answer: usage reported twice counts once.
        """
        self.usage = Usage(input_tokens, output_tokens, response_id=response_id)
        self.span.set_attribute("gen_ai.usage.input_tokens", input_tokens)
        self.span.set_attribute("gen_ai.usage.output_tokens", output_tokens)
        if response_id:
            self.span.set_attribute("gen_ai.response.id", response_id)

    def as_call(self) -> Call:
        """The governed call that a resource is."""
        facts = self.facts
        kind = facts.get("resource_type", "")
        self.call = Call(
            OPERATIONS.get(kind, kind),
            provider=str(self._own.get("gen_ai.provider.name", "")),
            model=str(self._own.get("gen_ai.request.model", "")),
            tool=facts.get("tool", ""),
            entity=self,
            ids=self.ids,
        )
        return self.call

    # ── entering ─────────────────────────────────────────────────────────────────────────────

    def enter_unasked(self) -> None:
        """Start it without asking the gate: what is called below it has to ask all the same."""
        self._entered = True
        with _STARTING:
            self._start(self._place())

    def __enter__(self) -> Entity:
        """Start it.

        Raises:
            NeuroRailRefused: it may not start; nothing was reported as started.
        """
        if self._entered:
            raise RuntimeError(f"this {self.type} was entered before: make a new one each time")
        self._entered = True
        within = self._place()
        process().gate.entering(self)
        with _STARTING:
            self._start(within)
        return self

    async def __aenter__(self) -> Entity:
        """Start it; what has to be asked is asked without holding up the event loop."""
        if self._entered:
            raise RuntimeError(f"this {self.type} was entered before: make a new one each time")
        self._entered = True
        within = self._place()
        await process().gate.entering_async(self)
        with _STARTING:
            self._start(within)
        return self

    def _place(self) -> Context:
        """Find the place in the chain; the context to work in."""
        outside = context.get_current()
        parent = current.current_entity(outside)
        if parent is not None:
            self.parent = parent
            self.limited = self.limited or parent.limited
        ids = current.chain_ids(outside)
        level = self.level
        name = names.CHAIN_IDS[level]
        if level == 0 and name in ids:
            self._own.setdefault(names.MISSION_PARENT_ID, ids[name])
        if not self.id:
            self.id = new_id(level)
        if len(ids) != level or level == 0 or names.CHAIN_IDS[level - 1] not in ids:
            ids = {
                above: ids.get(above) or new_id(place)
                for place, above in enumerate(names.CHAIN_IDS[:level])
            }
            outside = current.with_ids(ids, outside)
        ids[name] = self.id
        self.ids = ids
        return baggage.set_baggage(name, self.id, outside)

    @property
    def facts(self) -> dict[str, str]:
        """What rules may ask about it and all below it, by the names that manifests use."""
        if self._facts is None:
            self._facts = self._read_facts()
        return self._facts

    def _read_facts(self) -> dict[str, str]:
        facts = process().facts.copy() if self.parent is None else self.parent.facts.copy()
        for place, (fact, name) in enumerate(zip(ID_FACTS, names.CHAIN_IDS, strict=True)):
            if place > self.level:
                facts.pop(fact, None)
            else:
                facts[fact] = self.ids[name]
        own = self._own
        for name, fact in FACTS.items():
            if name in own:
                facts[fact] = str(own[name])
        for name, value in own.items():
            if name.startswith(names.TAG_PREFIX):
                facts[f"tag.{name[TAG_LENGTH:]}"] = str(value)
                facts |= lifted(name[TAG_LENGTH:], str(value))
        facts["entity_type"] = self.type
        return facts

    def _start(self, within: Context) -> None:
        here = process()
        attributes = {**self.ids, **self._own}
        if self.call is not None and self.call.reservation is not None:
            attributes[names.RESERVATION_ID] = self.call.reservation.id
        span = here.tracer.start_span(self._span_name, within, self.kind, attributes=attributes)
        self.span = span
        inside = current.with_entity(self, trace.set_span_in_context(span, within))
        self._attached = context.attach(inside)
        self.started_monotonic_ns = time.monotonic_ns()
        here.started(self, attributes, self._steps)

    # ── leaving ──────────────────────────────────────────────────────────────────────────────

    def __exit__(
        self, kind: ErrorType, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """End it. The exception that ended the block goes on."""
        if self._attached is not None:
            context.detach(self._attached)
            self._attached = None
        refused = process().gate.leaving(self, error)
        with _ENDING:
            self._end(refused or error)
        if refused is not None:
            raise refused from error

    async def __aexit__(
        self, kind: ErrorType, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """End it, as `__exit__` does."""
        self.__exit__(kind, error, at)

    def _end(self, error: BaseException | None) -> None:
        if error is not None or self._outcome:
            self._tell_outcome(error)
        self.span.end()
        process().ended(self)

    def _tell_outcome(self, error: BaseException | None) -> None:
        outcome, code = self._outcome, self._code
        if error is not None and not outcome:
            outcome, code = judge(error)
        span = self.span
        span.set_attribute(names.OUTCOME, outcome)
        if code:
            span.set_attribute(names.ERROR_CODE, code)
        if error is not None and outcome != SUCCEEDED:
            span.set_attribute("error.type", type(error).__qualname__)
            span.set_status(Status(StatusCode.ERROR, str(error)[:STATUS_TEXT_MAX]))
        elif outcome in (FAILED, TIMEOUT):
            span.set_status(Status(StatusCode.ERROR, code))

    # ── as a decorator ───────────────────────────────────────────────────────────────────────

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Run a function, or a coroutine function, inside an entity made anew for each call.

        Raises:
            TypeError: it is a generator; use `with` inside of it.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__qualname__} is a generator: use `with` inside of it")
        tell = self._teller(function)
        if inspect.iscoroutinefunction(function):
            return self._around_coroutine(function, tell)  # type: ignore[return-value]

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            with self.again() as one:
                if tell is not None:
                    tell(one.span, args, kwargs)
                return function(*args, **kwargs)

        return call

    def _around_coroutine(
        self, function: Callable[P, Coroutine[Any, Any, R]], tell: Teller | None
    ) -> Callable[P, Coroutine[Any, Any, R]]:
        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            async with self.again() as one:
                if tell is not None:
                    tell(one.span, args, kwargs)
                return await function(*args, **kwargs)

        return call

    def _teller(self, function: Callable[..., Any]) -> Teller | None:
        """What tells of a call's arguments: of tools, so that repeated calls are recognised."""
        if self._own.get(names.RESOURCE_TYPE) != "tool_call":
            return None
        from neurorail.instrumentation.arguments_hash import teller

        return teller(function)

    def again(self) -> Entity:
        """Another entity like this one, with an id of its own unless one was given."""
        return Entity(
            self.level,
            self._span_name,
            dict(self._own),
            given_id=self._give_id,
            budget=self.budget,
            steps=self._steps,
            kind=self.kind,
        )


def lifted(tag: str, value: str) -> dict[str, str]:
    """Tags that rules know as facts of their own; flags as `true` or `false`."""
    if tag in ("environment", "risk_class"):
        return {tag: value}
    if tag in ("uses_personal_data", "idempotent", "external_dependency"):
        return {tag: "true" if value.lower() in ("true", "1", "yes") else "false"}
    return {}


def judge(error: BaseException) -> tuple[str, str]:
    """What an exception that ends an entity means: its outcome and its code."""
    if isinstance(error, NeuroRailRefused):
        outcome = CANCELLED if error.cancelled else FAILED
        return (TIMEOUT if error.cancelled and error.code == "NR-E001" else outcome), error.code
    if isinstance(error, NeuroRailError):
        return (TIMEOUT if error.code == "NR-E001" else FAILED), error.code
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return SUCCEEDED, ""
    if is_cancellation(error) or not isinstance(error, Exception):
        return CANCELLED, ""  # KeyboardInterrupt, GeneratorExit, SystemExit too.
    return FAILED, error_code(error)
