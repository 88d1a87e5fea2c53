"""Whether plain tests of facts can hold together. What is written in CEL is not looked into."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from neurorail.rules.manifest.facts import Fact, FactValue, find_fact

LEVELS: Final = ("mission", "plan", "job", "attempt", "resource")


@dataclass(slots=True)
class _Known:
    """What is known of one fact's value."""

    allowed: tuple[FactValue | None, ...] | None = None
    """The only values; None for any."""
    excluded: tuple[FactValue | None, ...] = ()
    lowest: int | None = None
    highest: int | None = None
    prefix: str | None = None
    present: bool = False
    """Whether it cannot be absent."""

    def holds(self, value: FactValue | None) -> bool:
        """Whether a value is possible."""
        if value in self.excluded or (value is None and self.present):
            return False
        if isinstance(value, int) and not isinstance(value, bool):
            return (self.lowest is None or value >= self.lowest) and (
                self.highest is None or value <= self.highest
            )
        return self.prefix is None or (isinstance(value, str) and value.startswith(self.prefix))


@dataclass(slots=True)
class Conjunction:
    """Tests that all have to hold. Each method adds one and says why they cannot, if so."""

    level: int | None = None
    """The level of what is looked at, where that is known."""
    facts: dict[str, _Known] = field(default_factory=dict)

    def copy(self) -> Conjunction:
        """The same tests, to be added to on its own."""
        return Conjunction(self.level, {name: replace(known) for name, known in self.facts.items()})

    def only(self, fact: Fact, values: Iterable[FactValue | None]) -> str | None:
        """The fact has one of these values."""
        known = self._known(fact)
        before = known.allowed
        listed = tuple(values)
        known.allowed = (
            listed if before is None else tuple(value for value in before if value in listed)
        )
        if None not in listed and listed:
            known.present = True
        return self._contradiction(fact, known) if listed else None

    def without(self, fact: Fact, values: Iterable[FactValue | None]) -> str | None:
        """The fact has none of these values."""
        known = self._known(fact)
        known.excluded += tuple(values)
        known.present = known.present or None in known.excluded
        return self._contradiction(fact, known)

    def begins(self, fact: Fact, prefix: str) -> str | None:
        """The fact's text begins so."""
        known = self._known(fact)
        known.present = True
        before = known.prefix
        if before is not None and not (prefix.startswith(before) or before.startswith(prefix)):
            return f"{fact.name} cannot begin with {before!r} and with {prefix!r}"
        known.prefix = prefix if before is None or len(prefix) > len(before) else before
        return self._contradiction(fact, known)

    def compares(self, fact: Fact, operator: str, bound: int) -> str | None:
        """The fact's number compares so."""
        known = self._known(fact)
        known.present = True
        if operator in ("more_than", "at_least"):
            lowest = bound + (operator == "more_than")
            known.lowest = lowest if known.lowest is None else max(known.lowest, lowest)
        else:
            highest = bound - (operator == "less_than")
            known.highest = highest if known.highest is None else min(known.highest, highest)
        if (known.highest is not None and known.highest < 0) or (
            known.lowest is not None
            and known.highest is not None
            and known.lowest > known.highest
        ):  # fmt: skip
            return f"no {fact.name} is that large and that small"
        return self._contradiction(fact, known)

    def _known(self, fact: Fact) -> _Known:
        return self.facts.setdefault(fact.name, _Known())

    def _contradiction(self, fact: Fact, known: _Known) -> str | None:
        if known.allowed is not None and not any(map(known.holds, known.allowed)):
            return f"other tests leave {fact.name} no value"
        if fact.words and all(not known.holds(word) for word in (*fact.words, None)):
            return f"{fact.name} is always one of {', '.join(fact.words)}"
        return self._level_contradiction()

    def _level_contradiction(self) -> str | None:
        """A fact that is asked for is not known at the level that is looked at."""
        level = self._level()
        if level is None:
            return None
        for name, known in self.facts.items():
            fact = find_fact(name)
            if fact is not None and known.present and fact.lowest_level > level:
                return f"a {LEVELS[level]} has no {name}"
        return None

    def _level(self) -> int | None:
        if self.level is not None:
            return self.level
        known = self.facts.get("entity_type")
        if known is None or known.allowed is None:
            return None
        levels = [LEVELS.index(one) for one in known.allowed if isinstance(one, str)]
        return max(levels) if levels and known.present else None
