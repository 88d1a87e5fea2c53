"""Conditions: what a rule asks of the facts, compiled once to a function.

A condition is written as a mapping. Everything in it has to hold:

    job_type: llm_call              the fact has this value
    model: [gpt-5, gpt-5-mini]      … or one of these
    tool: null                      the fact is absent
    tokens: {more_than: 1000}       more_than, at_least, at_most, less_than
    agent: {not: reviewer}          another value, or none; also a list
    model: {prefix: gpt-}           begins so
    all: […], any: […], not: {…}    conditions inside conditions
    cel: "tokens > 1000 && has(tag.team)"
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeAlias

from neurorail.rules.manifest.facts import Facts, FactValue, find_fact

Source: TypeAlias = "dict[str, Any]"
"""A condition as plain values, in the engine's names and units."""

Test: TypeAlias = Callable[[Facts], "bool | None"]
"""True, false, or None where it cannot be decided (a CEL expression failed)."""

ALL, ANY, NOT, CEL = "all", "any", "not", "cel"
LOGIC: Final = (ALL, ANY, NOT, CEL)
COMPARISONS: Final = ("more_than", "at_least", "at_most", "less_than")
DEPTH_MAX: Final = 16


class Condition:
    """A compiled condition. Equal if its source is; the empty one always holds."""

    __slots__ = ("_test", "on_error_matches", "source")

    def __init__(
        self,
        source: Source,
        *,
        on_error_matches: bool = True,
        test: Test | None = None,
    ) -> None:
        """Compile `source`.

        Raises:
            ValueError: it is no condition.
        """
        self.source = source
        self.on_error_matches = on_error_matches
        self._test = compile_source(source) if test is None else test

    def matches(self, facts: Facts) -> bool:
        """Whether the facts fulfil it; `on_error_matches` where that cannot be decided."""
        found = self._test(facts)
        return self.on_error_matches if found is None else found

    def fails(self, facts: Facts) -> bool:
        """Whether it cannot be decided for these facts."""
        return self._test(facts) is None

    def on_error(self, matches: bool) -> Condition:
        """The same condition with a word on what holds where it cannot be decided."""
        return Condition(self.source, on_error_matches=matches, test=self._test)

    @property
    def always(self) -> bool:
        """Whether it asks nothing."""
        return not self.source

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Condition)
            and self.source == other.source
            and self.on_error_matches == other.on_error_matches
        )

    def __hash__(self) -> int:
        return hash(json.dumps(self.source, sort_keys=True))

    def __repr__(self) -> str:
        return f"Condition({self.source!r})"


def compile_source(source: Any, depth: int = 0) -> Test:
    """The function for a condition.

    Raises:
        ValueError: an unknown fact, operator or shape.
    """
    if not isinstance(source, dict):
        raise ValueError(f"{source!r} is no condition: write a mapping")
    if depth > DEPTH_MAX:
        raise ValueError(f"conditions are nested deeper than {DEPTH_MAX}: write them flatter")
    tests = [_part(name, said, depth) for name, said in source.items()]
    if not tests:
        return _always
    return tests[0] if len(tests) == 1 else partial(_all_hold, tuple(tests))


def facts_read(source: Source) -> tuple[str, ...] | None:
    """The names of the facts that a condition asks for; None where CEL asks, which may be all."""
    names: dict[str, None] = {}
    for name, said in source.items():
        if name == CEL:
            return None
        if name not in LOGIC:
            names[name] = None
            continue
        for part in said if isinstance(said, list) else [said]:
            read = facts_read(part)
            if read is None:
                return None
            names.update(dict.fromkeys(read))
    return tuple(names)


def _part(name: str, said: Any, depth: int) -> Test:
    if name in (ALL, ANY):
        if not isinstance(said, list) or not said:
            raise ValueError(f"`{name}` needs a list of conditions")
        tests = tuple(compile_source(one, depth + 1) for one in said)
        return partial(_all_hold if name == ALL else _any_holds, tests)
    if name == NOT:
        return partial(_holds_not, compile_source(said, depth + 1))
    if name == CEL:
        from neurorail.rules.manifest.cel import compile_cel

        return compile_cel(said)
    if find_fact(name) is None:
        raise ValueError(f"{name!r} is no fact a condition knows")
    return _test(name, said)


def _test(name: str, said: Any) -> Test:
    if isinstance(said, dict):
        if not said:
            raise ValueError(f"the test of {name!r} is empty")
        tests = tuple(_operator(name, operator, value) for operator, value in said.items())
        return tests[0] if len(tests) == 1 else partial(_all_hold, tests)
    if isinstance(said, list):
        return partial(_is_one_of, name, tuple(said))
    return partial(_is, name, said)


def _operator(name: str, operator: str, value: Any) -> Test:
    if operator == NOT:
        return partial(_holds_not, _test(name, value))
    if operator == "prefix" and isinstance(value, str):
        return partial(_begins, name, value)
    if operator in COMPARISONS and type(value) is int:
        return partial(_COMPARE[operator], name, value)
    raise ValueError(f"{name!r} cannot be tested with {operator}: {value!r}")


def _always(facts: Facts) -> bool:
    return True


def _is(name: str, value: FactValue | None, facts: Facts) -> bool:
    return facts.get(name) == value


def _is_one_of(name: str, values: tuple[FactValue | None, ...], facts: Facts) -> bool:
    return facts.get(name) in values


def _begins(name: str, prefix: str, facts: Facts) -> bool:
    value = facts.get(name)
    return isinstance(value, str) and value.startswith(prefix)


def _more(name: str, than: int, facts: Facts) -> bool:
    value = facts.get(name)
    return isinstance(value, int) and value > than


def _at_least(name: str, least: int, facts: Facts) -> bool:
    value = facts.get(name)
    return isinstance(value, int) and value >= least


def _at_most(name: str, most: int, facts: Facts) -> bool:
    value = facts.get(name)
    return isinstance(value, int) and value <= most


def _less(name: str, than: int, facts: Facts) -> bool:
    value = facts.get(name)
    return isinstance(value, int) and value < than


_COMPARE: Final[dict[str, Callable[[str, int, Facts], bool]]] = {
    "more_than": _more,
    "at_least": _at_least,
    "at_most": _at_most,
    "less_than": _less,
}


def _all_hold(tests: tuple[Test, ...], facts: Facts) -> bool | None:
    """False if any is false, else None if any cannot be decided."""
    found: bool | None = True
    for test in tests:
        one = test(facts)
        if one is False:
            return False
        if one is None:
            found = None
    return found


def _any_holds(tests: tuple[Test, ...], facts: Facts) -> bool | None:
    """True if any is true, else None if any cannot be decided."""
    found: bool | None = False
    for test in tests:
        one = test(facts)
        if one:
            return True
        if one is None:
            found = None
    return found


def _holds_not(test: Test, facts: Facts) -> bool | None:
    found = test(facts)
    return None if found is None else not found


ALWAYS: Final = Condition({})
"""Holds for everything."""
