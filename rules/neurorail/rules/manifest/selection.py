"""Which rules concern some facts, without asking every rule of every call.

Most conditions ask for facts of which there are few values: an agent, a model, a provider, a tag.
What they find is worked out once for each combination of these values, and remembered. Rules that
ask for more (amounts, ids, CEL) are found by a fact whose value they ask for plainly, and asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, Final, Generic, Protocol, TypeVar

from neurorail.rules.manifest.condition import LOGIC, Condition, facts_read
from neurorail.rules.manifest.facts import FACTS, ID_FACTS, NUMBER, ChainFacts, Facts

REMEMBERED_MAX: Final = 4_096
"""Combinations of values that are remembered; when there are more, all are worked out anew."""


class Conditional(Protocol):
    """A rule that says to what it applies."""

    @property
    def when(self) -> Condition:
        """Its condition."""
        ...


R = TypeVar("R", bound=Conditional)
T = TypeVar("T")


class ByValues(Generic[T]):
    """What follows from the values of a few facts alone, worked out once for each."""

    __slots__ = ("_known", "_names", "_read", "_work_out")

    def __init__(self, names: Iterable[str], work_out: Callable[[Facts], T]) -> None:
        self._names = tuple(dict.fromkeys(names))
        self._read: Callable[[Any], Any] = itemgetter(*self._names) if self._names else _nothing
        self._work_out = work_out
        self._known: dict[Any, T] = {}

    def of(self, facts: Facts) -> T:
        """What follows from these facts."""
        if isinstance(facts, ChainFacts):
            values = self._read(facts.lookup)
        else:
            values = tuple([facts.get(name) for name in self._names])
        found = self._known.get(values)
        if found is None:
            if len(self._known) >= REMEMBERED_MAX:
                self._known.clear()
            found = self._known[values] = self._work_out(facts)
        return found


class Chosen(Generic[R, T]):
    """What is made of the rules that apply, in the rules' order.

    Args:
        rules: the rules.
        made: what is made of a rule that applies to some facts.
        reads: the facts that this depends on, besides the rule.
    """

    def __init__(
        self,
        rules: Iterable[R],
        made: Callable[[R, Facts], T],
        reads: Callable[[R], Iterable[str]],
    ) -> None:
        self._made = made
        placed = list(enumerate(rules))
        names: dict[str, None] = {}
        settled, others = [], []
        for place, rule in placed:
            read = facts_of_rule(rule, reads)
            if read is None:
                others.append((place, rule))
            else:
                settled.append((place, rule))
                names.update(dict.fromkeys(read))
        self.settled_names = tuple(names)
        """The facts that those rules depend on whose facts have few values."""
        self.names = None if others else self.settled_names
        """The facts that all of it depends on; None if these have too many values."""
        self._settled = _Index(settled)
        self._others = _Index(others)
        self._any = bool(placed)
        self._by_values = ByValues(names, self._of_settled)

    def __bool__(self) -> bool:
        return self._any

    def matching(self, facts: Facts) -> Sequence[T]:
        """What is made of the rules that apply to what has these facts."""
        found, made = self._by_values.of(facts)
        if self.names is not None:
            return made
        more = self._make(self._others, facts)
        if not more:
            return made
        return [one for _, one in sorted([*found, *more], key=_place)]

    def settled(self, facts: Facts) -> Sequence[T]:
        """What is made of those rules that apply and depend on facts of few values."""
        return self._by_values.of(facts)[1]

    def _of_settled(self, facts: Facts) -> tuple[list[tuple[int, T]], tuple[T, ...]]:
        found = self._make(self._settled, facts)
        return found, tuple([one for _, one in found])

    def _make(self, index: _Index[R], facts: Facts) -> list[tuple[int, T]]:
        return [
            (place, self._made(rule, facts))
            for place, rule in index.of(facts)
            if rule.when.matches(facts)
        ]


def _itself(rule: R, facts: Facts) -> R:
    return rule


def _nothing(of: object) -> tuple[str, ...]:
    return ()


class Selection(Chosen[R, R]):
    """The rules that apply themselves."""

    def __init__(self, rules: Iterable[R]) -> None:
        super().__init__(rules, _itself, _nothing)


class _Index(Generic[R]):
    """Rules by a fact whose value their conditions ask for plainly."""

    __slots__ = ("_always", "_by_fact")

    def __init__(self, rules: Iterable[tuple[int, R]]) -> None:
        self._always: list[tuple[int, R]] = []
        self._by_fact: dict[str, dict[Any, list[tuple[int, R]]]] = {}
        for place, rule in rules:
            name, values = _plain(rule.when)
            if not name:
                self._always.append((place, rule))
            for value in values:
                self._by_fact.setdefault(name, {}).setdefault(value, []).append((place, rule))

    def of(self, facts: Facts) -> list[tuple[int, R]]:
        """The rules that may concern what has these facts, with their places, in order."""
        found = self._always
        for name, by_value in self._by_fact.items():
            more = by_value.get(facts.get(name))
            if more is not None:
                found = found + more
        return found if found is self._always else sorted(found, key=_place)


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


def facts_of_rule(rule: R, reads: Callable[[R], Iterable[str]]) -> tuple[str, ...] | None:
    """The facts that a rule depends on; None if one of them has too many values."""
    read = facts_read(rule.when.source)
    if read is None:
        return None
    names = (*read, *reads(rule))
    return names if all(map(has_few_values, names)) else None


def has_few_values(name: str) -> bool:
    """Whether a fact is neither an amount nor an id."""
    fact = FACTS.get(name)
    return name not in ID_FACTS and (fact is None or fact.type != NUMBER)
