"""A hash of what a function is called with: equal calls are recognised, their content never told.

The same arguments give the same hash in every process. It is no key's, so that whoever may read it
can try out what is easily guessed; the server replaces it by a keyed one before it is stored.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import hashlib
import inspect
import json
import pathlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from opentelemetry.trace import Span

ATTRIBUTE: Final = "gen_ai.tool.call.arguments"
MARK: Final = "sha256:"
HASH_CHARS: Final = 32
_OF_OBJECTS: Final = frozenset({"self", "cls"})
_AS_TEXT: Final = (
    decimal.Decimal,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    uuid.UUID,
    pathlib.PurePath,
)


def teller(
    function: Callable[..., Any],
) -> Callable[[Span, tuple[Any, ...], dict[str, Any]], None]:
    """What sets the hash of a call's arguments on its span, where somebody records it."""
    names = parameter_names(function)

    def tell(span: Span, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if span.is_recording():
            told = arguments_hash(names, args, kwargs)
            if told is not None:
                span.set_attribute(ATTRIBUTE, told)

    return tell


def input_hash(value: Any) -> str:
    """The hash of what a tool is given as one value; empty where it cannot be written down."""
    return arguments_hash((), (value,), {}) or ""


def parameter_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of arguments that are given by their place; empty where nobody can say."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(one.name for one in parameters if one.kind in by_place)


def arguments_hash(
    names: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> str | None:
    """The hash of a call's arguments, named or not; None where one of them cannot be written down.

    Args:
        names: Of those that are given by their place; a method's own object does not count.
        args: By their place.
        kwargs: By their names.

    >>> arguments_hash(("query",), ("bees",), {}) == arguments_hash((), (), {"query": "bees"})
    True
    >>> arguments_hash((), (object(),), {}) is None
    True
    """
    given = dict(zip(names, args, strict=False))
    if names and names[0] in _OF_OBJECTS:
        given.pop(names[0], None)
    given |= {str(place): args[place] for place in range(len(names), len(args))}
    try:
        written = json.dumps(
            {**given, **kwargs}, default=_plain, sort_keys=True, separators=(",", ":")
        )
    except Exception:  # What an object does when it is asked for its fields is its own business.
        return None
    return MARK + hashlib.sha256(written.encode()).hexdigest()[:HASH_CHARS]


def _plain(value: object) -> object:
    """What JSON does not know, with its type: a date is not the text that looks like it.

    Raises:
        TypeError: nobody can say whether two of these are equal.
    """
    named = type(value).__qualname__
    if isinstance(value, _AS_TEXT):
        return {named: str(value)}
    if isinstance(value, bytes | bytearray | memoryview):
        return {named: hashlib.sha256(value).hexdigest()}
    if isinstance(value, set | frozenset):
        return {named: sorted(json.dumps(one, default=_plain, sort_keys=True) for one in value)}
    if isinstance(value, enum.Enum):
        return {named: value.name}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {named: {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}}
    dump = getattr(value, "model_dump", None)  # Pydantic's models.
    if callable(dump) and not isinstance(value, type):
        return {named: dump()}
    raise TypeError(f"{named} cannot be written down")
