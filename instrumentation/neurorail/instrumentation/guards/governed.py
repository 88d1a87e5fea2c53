"""What every guard does: ask the gate, make the call in its chain, settle what it used."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextvars import Token
from typing import Any, Final, TypeVar

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from neurorail.instrumentation import current
from neurorail.instrumentation.arguments_hash import ATTRIBUTE
from neurorail.instrumentation.errors import NeuroRailRefused, error_code
from neurorail.instrumentation.gate.call import (
    CALL,
    Call,
    Usage,
    complete_ids,
    frame_around,
    span_is_recording,
)
from neurorail.instrumentation.process import process
from neurorail.instrumentation.safety import Safely
from neurorail.instrumentation.spans import is_call_span, stamp_call
from neurorail.semconv import attributes as names

R = TypeVar("R")

OPERATION_NAMES: Final = {"inference": "chat", "embedding": "embeddings", "tool": "execute_tool"}
_ENDING: Final = Safely("ending a governed call")


class Governed:
    """One call on its way. `begin` or `begin_async`, then `end` once, whoever calls it first."""

    def __init__(self, call: Call) -> None:
        """Nothing is asked yet."""
        self.call = call
        self._outer = frame_around(is_tool=call.is_tool)
        self._attached: Token[Context] | None = None
        self._began_unix_nano = 0

    def begin(self) -> None:
        """Ask.

        Raises:
            NeuroRailRefused: the call may not be made.
        """
        if self._outer is None:
            try:
                process().gate.enter_call(complete_ids(self.call))
            except NeuroRailRefused as error:
                _tell_span(error)
                raise
        self._enter()

    async def begin_async(self) -> None:
        """Ask, without holding up the event loop."""
        if self._outer is None:
            try:
                await process().gate.enter_call_async(complete_ids(self.call))
            except NeuroRailRefused as error:
                _tell_span(error)
                raise
        self._enter()

    def leave(self) -> None:
        """The caller goes on, while a stream is still to be read."""
        if self._attached is not None:
            context.detach(self._attached)
            self._attached = None

    def each(self, pieces: Iterator[Any]) -> Iterator[Any]:
        """The pieces, each made inside the call and taken outside of it."""
        while True:
            self._take_up()
            try:
                piece = next(pieces)
            except StopIteration:
                return
            finally:
                self.leave()
            yield piece

    async def each_async(self, pieces: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The same for pieces that are awaited."""
        while True:
            self._take_up()
            try:
                piece = await anext(pieces)
            except StopAsyncIteration:
                return
            finally:
                self.leave()
            yield piece

    def end(self, usage: Usage | None, error: BaseException | None = None) -> None:
        """The call is over.

        Args:
            usage: What it used; None where nobody said.
            error: What it raised.
        """
        self.leave()
        outer, call = self._outer, self.call
        if outer is not None:
            if usage is not None:
                outer.inner_usage = usage
            return
        usage = usage or call.inner_usage
        if call.settled:
            return
        with _ENDING:
            self._tell(usage, error)
            process().gate.leave_call(call, usage, failed=_was_not_served(error))

    def _enter(self) -> None:
        self._began_unix_nano = time.time_ns()
        if self._outer is not None:
            return
        call = self.call
        around = trace.get_current_span()
        if is_call_span(around):
            stamp_call(around, call)
        self._take_up()

    def _take_up(self) -> None:
        if self._outer is None and self._attached is None:
            within = current.with_ids(self.call.ids, context.get_current())
            self._attached = context.attach(context.set_value(CALL, self.call, within))

    def _tell(self, usage: Usage | None, error: BaseException | None) -> None:
        """A span of our own, where no other instrumentation made one."""
        call = self.call
        if call.span is not None:
            return
        span = process().tracer.start_span(
            f"{OPERATION_NAMES.get(call.operation, call.operation)} {call.model or call.tool}",
            current.with_ids(call.ids, context.get_current()),
            SpanKind.INTERNAL if call.is_tool else SpanKind.CLIENT,
            attributes=_attributes(call, usage),
            start_time=self._began_unix_nano,
        )
        if error is not None:
            span.set_status(Status(StatusCode.ERROR, type(error).__qualname__))
            span.set_attribute("error.type", type(error).__qualname__)
            code = error_code(error)
            if code:
                span.set_attribute(names.ERROR_CODE, code)
        span.end()


def _was_not_served(error: BaseException | None) -> bool:
    """Whether an error says that nothing was used: the provider answered with a status."""
    return isinstance(getattr(error, "status_code", None), int)


def _attributes(call: Call, usage: Usage | None) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {
        **call.ids,
        "gen_ai.operation.name": OPERATION_NAMES.get(call.operation, call.operation),
    }
    for name, value in (
        ("gen_ai.provider.name", call.provider),
        ("gen_ai.request.model", call.model),
        ("gen_ai.tool.name", call.tool),
        (ATTRIBUTE, call.arguments),
        (names.RESERVATION_ID, call.reservation.id if call.reservation is not None else ""),
    ):
        if value:
            found[name] = value
    if usage is not None and not call.is_tool:
        found["gen_ai.usage.input_tokens"] = usage.input_tokens
        found["gen_ai.usage.output_tokens"] = usage.output_tokens
        if usage.response_id:
            found["gen_ai.response.id"] = usage.response_id
        if usage.response_model:
            found["gen_ai.response.model"] = usage.response_model
    return found


def _tell_span(error: NeuroRailRefused) -> None:
    """Another instrumentation's span around a refused call says that it was not made."""
    span = trace.get_current_span()
    if span_is_recording(span) and is_call_span(span):
        span.set_attribute(names.OUTCOME, "cancelled")
        span.set_attribute(names.ERROR_CODE, error.code)


def govern(call: Call, work: Callable[[], R], usage_of: Callable[[R], Usage | None]) -> R:
    """Make a call that answers at once.

    Args:
        call: What is asked.
        work: Makes it.
        usage_of: Reads usage from its answer; None where it says nothing.

    Raises:
        NeuroRailRefused: it may not be made, and `work` was not called.
    """
    governed = Governed(call)
    governed.begin()
    try:
        answer = work()
    except BaseException as error:
        governed.end(None, error)
        raise
    governed.end(_read(usage_of, answer))
    return answer


async def govern_async(
    call: Call, work: Callable[[], Awaitable[R]], usage_of: Callable[[R], Usage | None]
) -> R:
    """Make a call that is awaited, as `govern` does."""
    governed = Governed(call)
    await governed.begin_async()
    try:
        answer = await work()
    except BaseException as error:
        governed.end(None, error)
        raise
    governed.end(_read(usage_of, answer))
    return answer


def _read(usage_of: Callable[[Any], Usage | None], answer: Any) -> Usage | None:
    with Safely("reading the usage of an answer"):
        return usage_of(answer)
    return None


def no_usage(_: object) -> Usage:
    """Of tools: they use no tokens."""
    return Usage()
