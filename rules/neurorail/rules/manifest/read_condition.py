"""Conditions as people write them, checked: names, types, words, and that they can hold at all."""

from __future__ import annotations

import re
from typing import Any, Final

from yaml import MappingNode, Node, ScalarNode, SequenceNode

from neurorail.rules.manifest.condition import ALL, ANY, COMPARISONS, DEPTH_MAX, LOGIC, NOT
from neurorail.rules.manifest.expression import InvalidExpression
from neurorail.rules.manifest.facts import (
    FACTS,
    FAMILIES,
    FLAG,
    NUMBER,
    TEXT,
    Fact,
    FactValue,
    find_fact,
)
from neurorail.rules.manifest.faults import Faults, nearest, unknown
from neurorail.rules.manifest.kinds import DURATION_MS_MAX, INT64_MAX
from neurorail.rules.manifest.satisfiable import Conjunction
from neurorail.rules.manifest.scalars import (
    Unreadable,
    read_duration,
    read_flag,
    read_text,
    read_usd_pico,
    read_whole,
)
from neurorail.rules.manifest.yaml_tree import FLAG as A_FLAG
from neurorail.rules.manifest.yaml_tree import NULL, kind_of, said

WRITTEN: Final = {
    "cost_usd": "cost_usd_pico",
    "duration": "duration_ms",
    "first_signal": "first_signal_ms",
}
"""Facts that are written with a unit of their own → the fact in the engine's unit."""

_PREFIX: Final = "prefix"
_MAPS: Final = tuple(family[:-1] for family in FAMILIES)
_UNDECLARED: Final = re.compile("undeclared reference to '([^']*)'")
_NAMES: Final = (
    *(name for name in FACTS if name not in WRITTEN.values()),
    *WRITTEN,
    *(f"{family}<name>" for family in FAMILIES),
    *LOGIC,
)


class ConditionReader:
    """Reads one condition of a rule.

    Args:
        faults: Takes what is wrong.
        level: The level of what is looked at, where the rule is about one level alone.
    """

    def __init__(self, faults: Faults, level: int | None = None) -> None:
        self._faults = faults
        self._level = level

    def read(self, node: Node, path: str) -> dict[str, Any]:
        """The condition in the engine's names and units."""
        return self._mapping(node, path, Conjunction(self._level), 0)

    def _mapping(self, node: Node, path: str, facts: Conjunction, depth: int) -> dict[str, Any]:
        if not isinstance(node, MappingNode):
            self._faults.add(node, path, f"{said(node)} is no condition: write `fact: value`")
            return {}
        if depth > DEPTH_MAX:
            self._faults.add(node, path, f"conditions are nested deeper than {DEPTH_MAX}")
            return {}
        found: dict[str, Any] = {}
        # Plain tests first: they hold for every branch of an `any` beside them.
        entries = sorted(node.value, key=lambda entry: entry[0].value == ANY)
        for key, value in entries:
            name = key.value if isinstance(key.value, str) else ""
            engine_name = WRITTEN.get(name, name)
            if engine_name in found:
                self._faults.add(key, path, f"{name!r} is there twice")
                continue
            where = f"{path}.{name}"
            match name:
                case "all" | "any":
                    found[name] = self._list(name, value, where, facts, depth)
                case "not":
                    inner = Conjunction(self._level)
                    found[name] = self._mapping(value, where, inner, depth + 1)
                case "cel":
                    found[name] = self._cel(value, where)
                case _:
                    fact = find_fact(engine_name)
                    if fact is None or (name in WRITTEN.values()):
                        self._faults.add(key, path, unknown("fact", name, _NAMES))
                        continue
                    found[engine_name] = self._test(fact, name, value, where, facts)
        return found

    def _list(
        self, name: str, node: Node, path: str, facts: Conjunction, depth: int
    ) -> list[dict[str, Any]]:
        if not isinstance(node, SequenceNode) or not node.value:
            self._faults.add(node, path, f"`{name}` needs a list of conditions")
            return []
        return [
            self._mapping(
                one, f"{path}[{place}]", facts if name == ALL else facts.copy(), depth + 1
            )
            for place, one in enumerate(node.value)
        ]

    def _cel(self, node: Node, path: str) -> str:
        from neurorail.rules.manifest.cel import compile_cel

        try:
            expression = read_text(node)
            compile_cel(expression)
        except Unreadable as error:
            self._faults.add(node, path, str(error))
            return ""
        except InvalidExpression as error:
            hint = ""
            found = _UNDECLARED.search(str(error))
            if found is not None:
                hint = f"; {nearest(found[1], (*FACTS, *_MAPS))}"
            self._faults.add_at(*_place_in(node, error), path, str(error) + hint)
            return ""
        return expression

    # ── tests of one fact ────────────────────────────────────────────────────────────────────

    def _test(self, fact: Fact, name: str, node: Node, path: str, facts: Conjunction) -> Any:
        if not isinstance(node, MappingNode):
            values = self._values(fact, name, node, path)
            self._narrow(node, path, facts.only(fact, values))
            return values if isinstance(node, SequenceNode) else next(iter(values), None)
        if not node.value:
            self._faults.add(node, path, f"the test of {name!r} is empty")
        found: dict[str, Any] = {}
        for key, value in node.value:
            operator = key.value
            if operator in found:
                self._faults.add(key, path, f"{operator!r} is there twice")
                continue
            inner = f"{path}.{operator}"
            if operator == NOT:
                values = self._values(fact, name, value, inner)
                found[NOT] = values if isinstance(value, SequenceNode) else next(iter(values), None)
                self._narrow(value, path, facts.without(fact, values))
            elif operator == _PREFIX and fact.type == TEXT:
                begins = self._value(fact, name, value, inner)
                if isinstance(begins, str):
                    found[_PREFIX] = begins
                    self._narrow(value, path, facts.begins(fact, begins))
            elif operator in COMPARISONS and fact.type == NUMBER:
                bound = self._value(fact, name, value, inner)
                if type(bound) is int:
                    found[operator] = bound
                    self._narrow(value, path, facts.compares(fact, operator, bound))
            else:
                allowed = (NOT, *{TEXT: (_PREFIX,), NUMBER: COMPARISONS, FLAG: ()}[fact.type])
                self._faults.add(
                    key, path, f"{name!r} cannot be tested so; {nearest(operator, allowed)}"
                )
        return found

    def _narrow(self, node: Node, path: str, contradiction: str | None) -> None:
        if contradiction is not None:
            self._faults.add(node, path, f"this can never hold: {contradiction}")

    def _values(self, fact: Fact, name: str, node: Node, path: str) -> list[FactValue | None]:
        nodes = node.value if isinstance(node, SequenceNode) else [node]
        if not nodes:
            self._faults.add(node, path, "this can never hold: the list is empty")
        values: list[FactValue | None] = []
        for one in nodes:
            value = None if kind_of(one) == NULL else self._value(fact, name, one, path)
            if value is not None or kind_of(one) == NULL:
                values.append(value)
        return values

    def _value(self, fact: Fact, name: str, node: Node, path: str) -> FactValue | None:
        """A value of a fact's type; None (and a fault) if it is none."""
        try:
            if name == "cost_usd":
                return read_usd_pico(node)
            if name in WRITTEN:
                return read_duration(node, 0, DURATION_MS_MAX)
            if fact.type == NUMBER:
                return read_whole(node, 0, INT64_MAX)
            if fact.type == FLAG:
                return read_flag(node)
            if kind_of(node) == A_FLAG and fact.name.startswith(FAMILIES):
                return "true" if read_flag(node) else "false"
            value = read_text(node)
        except Unreadable as error:
            self._faults.add(node, path, str(error))
            return None
        if fact.words and value not in fact.words:
            self._faults.add(node, path, unknown(name, value, fact.words))
            return None
        return value


def _place_in(node: Node, error: InvalidExpression) -> tuple[int, int]:
    """Line and column in the document of an error in an expression."""
    assert isinstance(node, ScalarNode), "an expression is a text"
    line, column = node.start_mark.line + 1, node.start_mark.column
    if node.style in ("|", ">"):
        return line + error.line, error.column
    quote = 1 if node.style else 0
    return (line, column + quote + error.column) if error.line == 1 else (line, column + 1)
