"""Rules found by a fact whose value their conditions ask for plainly.

Of many rules that each concern one agent or provider, only that one's are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any, Generic, Protocol, TypeVar

from neurorail.rules.manifest.condition import LOGIC, Condition
from neurorail.rules.manifest.facts import Facts


class Conditional(Protocol):
    """A rule that says to what it applies."""

    @property
    def when(self) -> Condition:
        """Its condition."""
        ...


R = TypeVar("R", bound=Conditional)


class Selection(Generic[R]):
    """Rules in their order."""

    __slots__ = ("_always", "_by_fact")

    def __init__(self, rules: Iterable[R]) -> None:
        self._always: list[tuple[int, R]] = []
        self._by_fact: dict[str, dict[Any, list[tuple[int, R]]]] = {}
        for place, rule in enumerate(rules):
            name, values = _plain(rule.when)
            if not name:
                self._always.append((place, rule))
            for value in values:
                self._by_fact.setdefault(name, {}).setdefault(value, []).append((place, rule))

    def __bool__(self) -> bool:
        return bool(self._always or self._by_fact)

    def of(self, facts: Facts) -> list[R]:
        """The rules that may concern what has these facts."""
        found = self._always
        for name, by_value in self._by_fact.items():
            more = by_value.get(facts.get(name))
            if more is not None:
                found = found + more
        if len(found) > 1 and found is not self._always:
            found.sort(key=_place)
        return [rule for _, rule in found]

    def matching(self, facts: Facts) -> list[R]:
        """The rules that apply to what has these facts."""
        return [rule for rule in self.of(facts) if rule.when.matches(facts)]


_place = itemgetter(0)


def _plain(when: Condition) -> tuple[str, tuple[Any, ...]]:
    """A fact that has to have one of a few values, and these; an empty name if there is none."""
    for name, said in when.source.items():
        if name in LOGIC or said is None or isinstance(said, dict):
            continue
        values = tuple(dict.fromkeys(said)) if isinstance(said, list) else (said,)
        if None not in values:
            return name, values
    return "", ()
