"""Ends work that runs: tasks of asyncio are cancelled, everything else stops at its next call."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from neurorail.instrumentation.errors import NeuroRailRefused
from neurorail.instrumentation.gate.budgets import above, timeout_of
from neurorail.instrumentation.gate.directive import Directive
from neurorail.instrumentation.gate.table import holds
from neurorail.instrumentation.loops import is_cancellation, running_loop

if TYPE_CHECKING:
    from neurorail.instrumentation.entity import Entity
    from neurorail.instrumentation.process import Process


class Stopping:
    """Knows which task each running entity is in."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def watch(self, entity: Entity) -> None:
        """An entity starts; inside an event loop its task is remembered, and its deadline set."""
        loop = running_loop()
        if loop is None:
            return
        import asyncio

        task = asyncio.current_task(loop)
        if task is None:
            return
        entity.task = task
        limits = entity.budget
        if limits is not None and limits.timeout_ms is not None:
            entity.timer = loop.call_later(limits.timeout_ms / 1_000, self._time_is_over, entity)

    def retime(self, entity: Entity) -> None:
        """The time limit of an entity that runs was changed: its deadline is another one."""
        task = entity.task
        if task is not None:
            with suppress(RuntimeError):  # Its loop may be closed already.
                task.get_loop().call_soon_threadsafe(self._set_timer, entity)

    def _set_timer(self, entity: Entity) -> None:
        """On the entity's own loop."""
        if entity.timer is not None:
            entity.timer.cancel()
            entity.timer = None
        limits, loop = entity.budget, running_loop()
        if entity.task is None or loop is None or limits is None or limits.timeout_ms is None:
            return
        passed_ms = (time.monotonic_ns() - entity.started_monotonic_ns) / 1_000_000
        left_s = max(limits.timeout_ms - passed_ms, 0) / 1_000
        entity.timer = loop.call_later(left_s, self._time_is_over, entity)

    def unwatch(self, entity: Entity, error: BaseException | None) -> NeuroRailRefused | None:
        """An entity ends. If its task was cancelled for its sake, the reason to raise instead."""
        task, entity.task = entity.task, None
        if entity.timer is not None:
            entity.timer.cancel()
            entity.timer = None
        if entity.stopped is None or task is None or error is None or not is_cancellation(error):
            return None
        # As asyncio.timeout does: it was us, unless somebody else wants it cancelled too.
        if task.uncancel() > 0:
            return None
        return entity.stopped

    def stop_matching(self, directive: Directive) -> None:
        """Cancel the tasks of running entities for which a directive holds."""
        for entity, _ in list(self._process.running.values()):
            if not holds(directive, entity.facts):
                continue
            if any(
                holds(directive, outer.facts) and outer.task is entity.task
                for outer in above(entity.parent)
            ):
                continue  # The outermost entity of a task tells why.
            task = entity.task
            if task is not None:
                refusal = directive.refusal_now()
                task.get_loop().call_soon_threadsafe(self._cancel, entity, refusal)

    def _time_is_over(self, entity: Entity) -> None:
        self._cancel(entity, timeout_of(entity))

    def _cancel(self, entity: Entity, refusal: NeuroRailRefused) -> None:
        """On the entity's own loop, so that it cannot end meanwhile."""
        if entity.task is not None and entity.stopped is None and not entity.task.done():
            entity.stopped = refusal
            entity.task.cancel(str(refusal))
