"""The table of directives: what a call's facts meet is found without looking at the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from neurorail.instrumentation.gate.directive import ACTIONS, BUDGET_CODE, Directive

Facts: TypeAlias = Mapping[str, str]
Group: TypeAlias = tuple[
    tuple[str, ...], dict[tuple[str | None, ...] | str | None, tuple[Directive, ...]]
]

DIRECTIVES_MAX: Final = 20_000
"""Further ones are not kept, but counted in `refused`; the server keeps half as many a tenant."""


class Table:
    """Directives by the names in their scopes, then by the values.

    Written by one thread at a time, read by all without a lock: readers see a tuple of groups
    that is replaced, never changed.
    """

    def __init__(self) -> None:
        self.refused = 0
        self._lock = threading.Lock()
        self._by_id: dict[str, Directive] = {}
        self.groups: tuple[Group, ...] = ()
        """Empty when nothing is held: then nobody need ask."""

    def __len__(self) -> int:
        """How many there are, expired ones included until they are found out."""
        return len(self._by_id)

    def find(self, facts: Facts, *, reserved: bool = False) -> Directive | None:
        """The strictest directive that holds for the facts, its throttle asked.

        Args:
            facts: Of a call or an entity.
            reserved: The caller asks, and holds a live reservation: no budget directive stops it.
        """
        worst: Directive | None = None
        for names, by_values in self.groups:
            if len(names) == 1:
                found = by_values.get(facts.get(names[0]))
            else:
                found = by_values.get(tuple([facts.get(name) for name in names]))
            if found is not None:
                worst = _stricter(worst, found, reserved)
        return worst

    def add(self, directive: Directive) -> bool:
        """Add one, in place of one with the same id; False if there are too many."""
        with self._lock:
            self._by_id.pop(directive.id, None)
            if len(self._by_id) >= DIRECTIVES_MAX:
                self.refused += 1
                return False
            self._by_id[directive.id] = directive
            self._rebuild()
            return True

    def remove(self, directive_id: str) -> None:
        """Remove one, if it is there."""
        with self._lock:
            if self._by_id.pop(directive_id, None) is not None:
                self._rebuild()

    def replace(self, directives: Iterable[Directive], keep: str) -> None:
        """Hold these alone, besides those whose id begins with `keep`."""
        with self._lock:
            kept = {one.id: one for one in self._by_id.values() if one.id.startswith(keep)}
            for one in directives:
                if len(kept) >= DIRECTIVES_MAX:
                    self.refused += 1
                else:
                    kept[one.id] = one
            self._by_id = kept
            self._rebuild()

    def purge(self) -> None:
        """Forget what has expired."""
        now = time.monotonic_ns()
        with self._lock:
            held = {name: one for name, one in self._by_id.items() if not one.expired(now)}
            if len(held) < len(self._by_id):
                self._by_id = held
                self._rebuild()

    def _rebuild(self) -> None:
        groups: dict[
            tuple[str, ...], dict[tuple[str | None, ...] | str | None, tuple[Directive, ...]]
        ] = {}
        for one in self._by_id.values():
            names, values = one.match()
            by_values = groups.setdefault(names, {})
            key = values[0] if len(values) == 1 else values
            by_values[key] = (*by_values.get(key, ()), one)
        self.groups = tuple(groups.items())


def holds(directive: Directive, facts: Facts) -> bool:
    """Whether a directive is about something with these facts."""
    names, values = directive.match()
    return all(facts.get(name) == value for name, value in zip(names, values, strict=True))


def _stricter(
    worst: Directive | None, found: tuple[Directive, ...], reserved: bool
) -> Directive | None:
    now = time.monotonic_ns()
    for one in found:
        if one.expired(now) or (reserved and one.code == BUDGET_CODE):
            continue
        if worst is not None and _rank(one) >= _rank(worst):
            continue
        if one.bucket is None or not one.bucket.take(now):
            worst = one
    return worst


def _rank(one: Directive) -> int:
    return ACTIONS.index(one.action) if one.action in ACTIONS else 0
