"""How a field of a manifest is written, for reading, JSON Schema and canonical form alike.

A section of a manifest is a frozen dataclass whose fields carry a `Spec` in their metadata. Field
names and values are the engine's (`window_ms`, whole milliseconds, whole pico-USD); the name and
the form in which people write them (`window: 10m`, `max_cost_usd: 0.25`) is the spec's.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, TypeAlias, cast

INT64_MAX: Final = 2**63 - 1
DAY_MS: Final = 86_400_000
DURATION_MS_MAX: Final = 400 * DAY_MS
LIST_MAX: Final = 1_000
TEXT_MAX: Final = 1_000

ID: Final = r"[A-Za-z_][A-Za-z0-9_.-]{0,63}"
"""The form of an id in a manifest."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text; `pattern` is matched against the whole of it."""

    pattern: str | None = None
    most: int = TEXT_MAX


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number."""

    least: int = 0
    most: int = INT64_MAX


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time, written `250ms`, `30s`, `10m`, `24h` or `7d`, held in milliseconds."""

    least_ms: int = 1
    most_ms: int = DURATION_MS_MAX


@dataclass(frozen=True, slots=True)
class Usd:
    """An amount in US dollars, at most 12 decimals, held in pico-USD."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, a whole number, or true or false; a decimal number is taken as its text."""


@dataclass(frozen=True, slots=True)
class FactName:
    """The name of a fact; see `facts`."""


@dataclass(frozen=True, slots=True)
class When:
    """A condition over the facts of a call or entity."""


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping with the fields of a dataclass."""

    of: type[Any]


@dataclass(frozen=True, slots=True)
class Variant:
    """A mapping with one key that says which dataclass its value holds."""

    of: Mapping[str, type[Any]]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list, held as a tuple; `unique` names the field no two items may share."""

    item: Kind
    most: int = LIST_MAX
    least: int = 0
    unique: str | None = None
    ascending: bool = False
    """Whether the items have to be in ascending order."""


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping with free keys, held as a mapping sorted by key."""

    item: Kind
    key_pattern: str = r"\S{1,128}"
    most: int = LIST_MAX


@dataclass(frozen=True, slots=True)
class Prices:
    """A list of own prices, held in the form of a price table's overrides."""


Kind: TypeAlias = (
    Text
    | Whole
    | Flag
    | Duration
    | Usd
    | Choice
    | Scalar
    | FactName
    | When
    | Section
    | Variant
    | ListOf
    | MapOf
    | Prices
)


@dataclass(frozen=True, slots=True)
class Spec:
    """How one field is written, and what it means."""

    kind: Kind
    doc: str
    name: str | None = None
    """The name people write; None for the field's own."""
    hidden: bool = False
    """Not written by people: filled in when a manifest is loaded."""


def spec(
    kind: Kind, doc: str, name: str | None = None, *, hidden: bool = False
) -> Mapping[str, Any]:
    """The metadata of a dataclass field."""
    return MappingProxyType({"spec": Spec(kind, doc, name, hidden)})


@dataclass(frozen=True, slots=True)
class Declared:
    """A field of a section as it is declared."""

    attribute: str
    """The dataclass field."""
    name: str
    """The name people write."""
    spec: Spec
    required: bool
    default: Any


def declared(section: type[Any]) -> tuple[Declared, ...]:
    """The fields of a section, in order."""
    return _declared(cast("Hashable", section))


@lru_cache(maxsize=256)
def _declared(section: Any) -> tuple[Declared, ...]:
    found = []
    for one in fields(section):
        said: Spec = one.metadata["spec"]
        factory = one.default_factory
        default = one.default if factory is MISSING else factory()
        required = default is MISSING
        found.append(Declared(one.name, said.name or one.name, said, required, default))
    return tuple(found)
