"""CEL expressions in conditions: type-checked and cost-bounded when a manifest is loaded.

Facts are variables of their types (text, int, bool), `tag` and `context` are maps of texts. An
absent fact is the empty text, 0 or false. A macro (`exists`, `all` …) may walk over a list that is
written in the expression, never over a map, whose order means nothing. An expression that fails
while it is evaluated (an absent key, a division by zero) cannot be decided: see `on_error`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

from cel_expr_python import cel  # type: ignore[import-untyped]

from neurorail.rules.manifest.expression import InvalidExpression
from neurorail.rules.manifest.facts import FACTS, FAMILIES, FLAG, NUMBER, TEXT, Facts

LENGTH_MAX: Final = 2_000
COST_MAX: Final = 2_000
"""Steps an evaluation takes at most, counted in the checked expression."""

REMEMBERED_MAX: Final = 1_024
"""Values that an expression was evaluated for and that are remembered with what it gave."""

_ABSENT: Final[dict[str, str | int | bool]] = {TEXT: "", NUMBER: 0, FLAG: False}
_PLACE: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")


def compile_cel(expression: object) -> Callable[[Facts], bool | None]:
    """The function for an expression.

    Raises:
        InvalidExpression: it does not parse, names what is unknown, is no condition or costs too
            much.
    """
    if not isinstance(expression, str) or not expression.strip():
        raise InvalidExpression("`cel` needs an expression")
    if len(expression) > LENGTH_MAX:
        raise InvalidExpression(f"the expression is longer than {LENGTH_MAX} characters")
    try:
        compiled = _environment().compile(expression)
    except RuntimeError as error:
        raise _invalid(str(error)) from None
    result = compiled.return_type().name()
    if result != "BOOL":
        raise InvalidExpression(f"the expression gives {result.lower()}: a condition gives bool")
    tree = _Tree(compiled.serialize())
    cost = tree.cost()
    if cost > COST_MAX:
        raise InvalidExpression(
            f"the expression takes {cost} steps: at most {COST_MAX} are allowed"
        )
    return _evaluator(compiled, tree.names)


def _evaluator(compiled: cel.Expression, names: frozenset[str]) -> Callable[[Facts], bool | None]:
    variables = [(name, _ABSENT[fact.type]) for name, fact in FACTS.items() if name in names]
    maps = [family for family in FAMILIES if family[:-1] in names]

    def evaluate(data: dict[str, Any]) -> bool | None:
        found = compiled.eval(data=data).value()
        return found if isinstance(found, bool) else None

    def of_all(facts: Facts) -> bool | None:
        data: dict[str, Any] = {name: facts.get(name, absent) for name, absent in variables}
        for family in maps:
            at = len(family)
            data[family[:-1]] = {
                name[at:]: value for name, value in facts.items() if name.startswith(family)
            }
        return evaluate(data)

    known: dict[tuple[Any, ...], bool | None] = {}

    def of_some(facts: Facts) -> bool | None:
        """One call is asked about more than once, and by more than one manifest's rules."""
        values = tuple([facts.get(name, absent) for name, absent in variables])
        if values not in known:
            if len(known) >= REMEMBERED_MAX:
                known.clear()
            known[values] = evaluate(
                {name: value for (name, _), value in zip(variables, values, strict=True)}
            )
        return known[values]

    return of_all if maps else of_some


@lru_cache(maxsize=1)
def _environment() -> cel.Env:
    types = {TEXT: cel.Type.STRING, NUMBER: cel.Type.INT, FLAG: cel.Type.BOOL}
    variables = {name: types[fact.type] for name, fact in FACTS.items()}
    texts = cel.Type.Map(cel.Type.STRING, cel.Type.STRING)
    variables |= {family[:-1]: texts for family in FAMILIES}
    return cel.NewEnv(variables=variables)


def _invalid(said: str) -> InvalidExpression:
    found = _PLACE.search(said)
    if found is None:
        return InvalidExpression(said.splitlines()[0][:300])
    line, column, message = found.groups()
    message = message.replace(" (in container '')", "").removesuffix(" [INVALID_ARGUMENT]")
    return InvalidExpression(message[:1].lower() + message[1:], int(line), int(column))


# ── the checked expression: what it names, what it costs ─────────────────────────────────────

_REFERENCES, _ROOT = 2, 4
_LIST, _COMPREHENSION = 7, 9
_PARTS: Final = {
    5: (1,),  # select: operand
    6: (1, 3),  # call: target, arguments
    7: (1,),  # list: elements
    8: (2,),  # struct: entries
}
"""Kind of an expression → its fields that hold expressions."""
_ENTRY_PARTS: Final = (3, 4)
_RANGE, _INIT, _WHILE, _STEP, _RESULT = 2, 4, 5, 6, 7


class _Tree:
    """Reads `cel.expr.CheckedExpr` as far as it is needed here; protobuf's library is I/O to us."""

    def __init__(self, serialized: bytes) -> None:
        checked = _only(serialized, 2)
        self._root = _only(checked, _ROOT)
        references = (_only(entry, 2) for entry in _all(checked, _REFERENCES))
        self.names = frozenset(_only(reference, 1).decode() for reference in references)

    def cost(self) -> int:
        """Steps an evaluation takes at most."""
        return self._cost(self._root)

    def _cost(self, expression: bytes) -> int:
        total = 1
        for kind, content in _fields(expression):
            if kind == _COMPREHENSION:
                total += self._walk(content)
            for part in _PARTS.get(kind, ()):
                for inner in _all(content, part):
                    total += self._entry(inner) if kind == 8 else self._cost(inner)
        return total

    def _entry(self, entry: bytes) -> int:
        return sum(self._cost(inner) for part in _ENTRY_PARTS for inner in _all(entry, part))

    def _walk(self, content: bytes) -> int:
        over = _only(content, _RANGE)
        lists = [inner for kind, inner in _fields(over) if kind == _LIST]
        if not lists:
            raise InvalidExpression(
                "a macro walks over something else than a list written in the expression: the "
                "order of a map means nothing"
            )
        times = len(_all(lists[0], 1))
        once = sum(self._cost(_only(content, part)) for part in (_WHILE, _STEP))
        ends = sum(self._cost(_only(content, part)) for part in (_RANGE, _INIT, _RESULT))
        return ends + times * once


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a message that have a length. The others of the messages here are varints."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        size, at = _varint(message, at)
        if tag & 7:
            yield tag >> 3, message[at : at + size]
            at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _all(message: bytes, number: int) -> list[bytes]:
    return [content for field, content in _fields(message) if field == number]


def _only(message: bytes, number: int) -> bytes:
    found = _all(message, number)
    return found[0] if found else b""
