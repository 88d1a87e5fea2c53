"""What the gate is doing: for people, health checks and metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

OFF: Final = "off"
Reader: TypeAlias = Callable[[CallbackOptions], Iterable[Observation]]
METER: Final = "neurorail"


@dataclass(frozen=True, slots=True)
class GateStatus:
    """A moment of the gate."""

    state: str
    """`off` (no server), `connecting`, `connected`, `unreachable`, `refused` or `stopped`."""
    endpoint: str
    mode: str
    """`auto`, `direct` or `rail`, as configured."""
    fail_closed: bool
    directives: int
    """Held at the moment."""
    decisions: int
    """Asked of the server so far."""
    refusals: int
    """Calls and entities refused so far, whoever refused them."""
    unreachable: int
    """Questions that the server did not answer."""
    settlements_dropped: int
    """Reports of usage for which there was no room."""


def export_metrics(status: Callable[[], GateStatus]) -> None:
    """Make the status visible as metrics of this process's meter provider."""
    meter = metrics.get_meter(METER)

    def gauge(read: Callable[[GateStatus], int]) -> Reader:
        return lambda _: [Observation(read(status()))]

    meter.create_observable_gauge(
        "neurorail.gate.connected", [gauge(lambda now: int(now.state == "connected"))],
        description="1 while directives arrive from the server.",
    )  # fmt: skip
    meter.create_observable_gauge(
        "neurorail.gate.directives", [gauge(lambda now: now.directives)],
        unit="{directive}", description="Directives held.",
    )  # fmt: skip
    for name, read, told in (
        ("decisions", lambda now: now.decisions, "Decisions asked of the server."),
        ("refusals", lambda now: now.refusals, "Calls and entities refused."),
        ("unreachable", lambda now: now.unreachable, "Questions the server did not answer."),
        ("settlements_dropped", lambda now: now.settlements_dropped, "Reports without room."),
    ):
        meter.create_observable_counter(f"neurorail.gate.{name}", [gauge(read)], description=told)
