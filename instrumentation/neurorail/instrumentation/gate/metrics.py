"""The gate's status as metrics of this process's meter provider."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from neurorail.instrumentation.gate.status import GateStatus

METER: Final = "neurorail"
Reader: TypeAlias = Callable[[CallbackOptions], Iterable[Observation]]


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
