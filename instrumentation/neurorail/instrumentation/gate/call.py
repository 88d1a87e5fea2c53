"""One governed call, from before it is made until what it used is known."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span

from neurorail.instrumentation import current
from neurorail.instrumentation.gate.budgets import above
from neurorail.instrumentation.ids import new_id
from neurorail.semconv.attributes import CHAIN_IDS

if TYPE_CHECKING:
    from neurorail.instrumentation.entity import Entity
    from neurorail.instrumentation.gate.reservation import Reservation
    from neurorail.instrumentation.process import Process

CALL: Final = context.create_key("neurorail-call")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call used. Cached tokens are input tokens, reasoning tokens are output tokens."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: str | None = None
    """Decimal text, where the provider says so itself."""
    cached_tokens: int = 0
    """Of the input, how many were read from or written to the provider's cache."""
    response_id: str = ""
    response_model: str = ""

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Bounds:
    """Upper bounds of what a call can use; None where nobody can say."""

    input_tokens: int | None = None
    output_tokens: int | None = None

    @property
    def tokens(self) -> int | None:
        """Of both together; None unless both are known."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens


NO_BOUNDS: Final = Bounds()
NO_USAGE: Final = Usage()


@dataclass(slots=True)
class Call:
    """One call that the gate lets through, or not."""

    operation: str
    """`inference`, `embedding` or `tool`."""
    provider: str = ""
    model: str = ""
    tool: str = ""
    arguments: str = ""
    """A hash of what a tool is called with; empty where nobody can say."""
    bounds: Bounds = NO_BOUNDS
    entity: Entity | None = field(default_factory=lambda: current.current_entity())
    """The innermost entity of this process around it."""
    ids: dict[str, str] = field(default_factory=current.chain_ids)
    reservation: Reservation | None = None
    span: Span | None = None
    """The span of the call, once somebody started it."""
    is_resource: bool = False
    """Whether it is a resource of its own, rather than part of one that the agent named."""
    frame: bool = False
    """Whether a framework makes it, whose client may be governed too: one of both asks."""
    covered: bool = False
    """Whether a call of a client was made under a frame: a second one asks for itself."""
    inner_usage: Usage | None = None
    """What the client's call under a frame used."""
    begun: bool = False
    settled: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_tool(self) -> bool:
        """Whether a tool is called, rather than a model."""
        return self.operation == "tool"

    def facts(self) -> dict[str, str]:
        """What rules may ask about it."""
        facts = (self.entity or _nobody()).facts.copy()
        for name, value in self.ids.items():
            facts[f"{name[10:-3]}_id"] = value  # neurorail.LEVEL.id
        facts["entity_type"] = "resource"
        facts["operation"] = self.operation
        if self.model:
            facts["model"] = self.model
        if self.provider:
            facts["provider"] = self.provider
        if self.tool:
            facts["tool"] = self.tool
        return facts

    def parent_reservation(self) -> Reservation | None:
        """The reservation of the innermost entity that holds one."""
        for entity in above(self.entity):
            call = entity.call
            held = entity.reservation if call is None else call.reservation
            if held is not None and call is not self:
                return held
        return None

    def claim_settlement(self) -> bool:
        """True the first time: a call is settled once, whatever ends first."""
        with self.lock:
            first, self.settled = not self.settled, True
        return first


def _nobody() -> Process:
    from neurorail.instrumentation.process import process

    return process()


def complete_ids(call: Call) -> Call:
    """Give a call an id of its own, and ids to the levels above it that have none."""
    ids = call.ids
    for level, name in enumerate(CHAIN_IDS[:4]):
        if name not in ids:
            ids[name] = new_id(level)
    if call.entity is None or call.entity.level < 4 or CHAIN_IDS[4] not in ids:
        ids[CHAIN_IDS[4]] = new_id(4)
        call.is_resource = True
    return call


def current_call(within: Context | None = None) -> Call | None:
    """The governed call that we are in, if any."""
    return context.get_value(CALL, within)  # type: ignore[return-value]


def frame_around(*, is_tool: bool) -> Call | None:
    """The call of a framework around us that has asked already, for the same thing, if any.

    It stands for one call of a client: the next one asks for itself.
    """
    outer = current_call()
    if outer is None or not outer.frame or outer.covered or outer.is_tool != is_tool:
        return None
    outer.covered = True
    return outer


def span_is_recording(span: Span | None) -> bool:
    """Whether a span is there and takes attributes."""
    return span is not None and span is not trace.INVALID_SPAN and span.is_recording()
