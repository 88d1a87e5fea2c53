"""Limits that a person set on the server: they hold in place of what the program states itself.

They come with the directives, for entities by their ids. An entity without limits of its own has
nothing to be replaced here: what the server limits, its directives stop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from neurorail.semconv.attributes import BUDGET_FIELDS

if TYPE_CHECKING:
    from neurorail.instrumentation.entity import Entity

ENTITIES_MAX: Final = 10_000
"""Entities whose limits are remembered, the newest; the server keeps as many a tenant."""
Limits = Mapping[str, Any]


class ChangedBudgets:
    """What people set, by entity. Written by the thread that follows the server alone."""

    def __init__(
        self, running: Callable[[], Iterable[Entity]], retimed: Callable[[Entity], None]
    ) -> None:
        """Prepare.

        Args:
            running: The entities that run in this process.
            retimed: Called with each of them whose time limit was changed.
        """
        self.by_id: dict[str, dict[str, Any]] = {}
        """Empty when nothing was changed: then nobody need ask."""
        self._running = running
        self._retimed = retimed

    def change(self, entity_id: str, limits: Limits) -> None:
        """Somebody set limits of an entity."""
        known = {name: limits[name] for name in BUDGET_FIELDS if limits.get(name) is not None}
        self.by_id[entity_id] = self.by_id.pop(entity_id, {}) | known
        while len(self.by_id) > ENTITIES_MAX:
            del self.by_id[next(iter(self.by_id))]
        for entity in self._running():
            if entity.id == entity_id:
                self.apply(entity)
                if "timeout_ms" in known:
                    self._retimed(entity)

    def replace(self, given: Iterable[tuple[str, Limits]]) -> None:
        """Hold exactly these; what runs keeps what it was given before."""
        self.by_id = {}
        for entity_id, limits in given:
            self.change(entity_id, limits)

    def apply(self, entity: Entity) -> None:
        """Let the limits of an entity be those that were set."""
        limits = self.by_id.get(entity.id)
        if limits is not None and entity.budget is not None:
            with suppress(ValueError):  # Of a server that means something else by them.
                entity.budget = replace(entity.budget, **limits)
