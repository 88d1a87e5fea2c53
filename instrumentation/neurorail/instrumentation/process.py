"""What NeuroRail holds in this process: tracer, events, the gate, and what is running."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.util.types import AttributeValue

from neurorail.instrumentation.events import SCOPE, Attributes, Events
from neurorail.instrumentation.gate.gate import Gate
from neurorail.instrumentation.gate.status import GateStatus
from neurorail.instrumentation.safety import tell_once
from neurorail.semconv import attributes as names

if TYPE_CHECKING:
    from neurorail.instrumentation.entity import Entity

HEARTBEAT_MS: Final = 10_000
"""How often running entities say that they are alive; `NEURORAIL_HEARTBEAT_MS` says otherwise."""
RUNNING_MAX: Final = 10_000
"""Entities that send heartbeats at once. Further ones run without, and are counted."""

_NOTHING: Final[Attributes] = {}


class Process:
    """One a process. Threads share it; a forked child keeps it and begins with nothing running."""

    def __init__(self) -> None:
        self.tracer: trace.Tracer = trace.get_tracer(SCOPE)
        self.events = Events()
        self.gate = Gate(self)
        self.running: dict[str, tuple[Entity, Attributes]] = {}
        self.without_heartbeat = 0
        self.facts: dict[str, str] = {}
        """What rules may ask about everything here."""
        self._heart: threading.Thread | None = None
        self._stop = threading.Event()
        os.register_at_fork(after_in_child=self._begin_anew)

    def started(
        self, entity: Entity, attributes: dict[str, AttributeValue], steps: tuple[str, ...]
    ) -> None:
        """Tell at once that an entity runs, with what has to be known while it does."""
        self.events.transitions(steps, attributes, entity.span.get_span_context())
        if len(self.running) < RUNNING_MAX:
            self.running[entity.id] = (entity, attributes)
            if self._heart is None:
                self._start_heart()
        else:
            self.without_heartbeat += 1

    def ended(self, entity: Entity) -> None:
        """It runs no more; its span says how it ended."""
        self.running.pop(entity.id, None)

    def rejoin(self) -> None:
        """Take the tracer and logger that were set up just now."""
        self.tracer = trace.get_tracer(SCOPE)
        self.events.rejoin()

    def stop(self) -> None:
        """End the heartbeats."""
        self._stop.set()
        heart, self._heart = self._heart, None
        if heart is not None:
            heart.join(timeout=5)
        self._stop = threading.Event()

    def beat(self) -> None:
        """One heartbeat of everything that runs."""
        for entity, attributes in list(self.running.values()):
            known = {**entity.ids, names.ENTITY_TYPE: attributes[names.ENTITY_TYPE]}
            self.events.emit(names.HEARTBEAT_EVENT, known, _NOTHING, entity.span.get_span_context())

    def _start_heart(self) -> None:
        stop = self._stop
        interval_s = heartbeat_ms() / 1_000

        def live() -> None:
            while not stop.wait(interval_s):
                try:
                    self.beat()
                except Exception as error:
                    tell_once("sending heartbeats", error)

        self._heart = threading.Thread(target=live, name="neurorail-heartbeat", daemon=True)
        self._heart.start()

    def _begin_anew(self) -> None:
        self.running = {}
        self._heart = None
        self._stop = threading.Event()


def heartbeat_ms() -> int:
    """Milliseconds between heartbeats."""
    text = os.environ.get("NEURORAIL_HEARTBEAT_MS", "").strip()
    return max(int(text), 1) if text.isdecimal() else HEARTBEAT_MS


_process: Final = Process()


def process() -> Process:
    """This process's."""
    return _process


def gate_status() -> GateStatus:
    """How the gate of this process stands: its connection, its directives, what it refused.

    >>> gate_status().state
    'off'
    """
    return _process.gate.status()
