"""Chain ids on the wire: their form, their level, and a bounded memory of those just seen."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final, TypeAlias

from neurorail.collector.decode.values import read
from neurorail.rules.observations import NO_IDS, Ids
from neurorail.semconv import attributes as names

LEVELS: Final = {name: level for level, name in enumerate(names.ENTITY_TYPES)}
"""Entity type → level."""

_FORMS: Final = tuple(re.compile(prefix + r"[A-Za-z0-9._-]{1,64}") for prefix in names.ID_PREFIXES)


def is_id(level: int, value: object) -> bool:
    """Whether a value has the form of an id of that level."""
    return isinstance(value, str) and _FORMS[level].fullmatch(value) is not None


def level_of(value: object) -> int | None:
    """The level that an entity type names, in any case."""
    return LEVELS.get(value.lower()) if isinstance(value, str) else None


def deepest(ids: Ids) -> int | None:
    """The deepest level that is named."""
    for level in range(len(ids) - 1, -1, -1):
        if ids[level] is not None:
            return level
    return None


def inherit(ids: Ids, above: Ids) -> Ids:
    """`ids`, with what they leave unnamed taken from `above`; nothing is mixed across missions.

    The levels below the deepest one that `ids` name stay open: a mission's own span is not part of
    the attempt that its process was started for.
    """
    if above is NO_IDS or ids == above:
        return ids
    end = deepest(ids)
    if end is None:
        return above
    for level in range(end):
        if ids[level] is not None and above[level] is not None and ids[level] != above[level]:
            return ids
    merged = [ids[level] or above[level] for level in range(end)] + list(ids[end:])
    return (merged[0], merged[1], merged[2], merged[3], merged[4])


Chain: TypeAlias = tuple[bytes | None, bytes | None, bytes | None, bytes | None, bytes | None]
"""The value bytes of the five chain attributes; None where there is none."""

_NO_CHAIN: Final[Chain] = (None, None, None, None, None)


class IdReader:
    """Reads chain ids, remembering recent ones so that they are read once and share their text.

    The memories are emptied when they are full; what is read never depends on them.
    """

    def __init__(self, stats: Counter[str], size_max: int = 65_536) -> None:
        self._stats = stats
        self._size_max = size_max
        self._chains: dict[Chain, Ids] = {}
        self._known: tuple[dict[bytes, str], ...] = tuple({} for _ in LEVELS)

    def read(self, chain: Chain) -> Ids:
        """The ids of a chain; None (and counted) where a value has not the form of an id."""
        if chain == _NO_CHAIN:
            return NO_IDS
        known = self._chains.get(chain)
        if known is not None:
            return known
        bad = self._stats["bad_id"]
        ids: Ids = (
            self._one(0, chain[0]),
            self._one(1, chain[1]),
            self._one(2, chain[2]),
            self._one(3, chain[3]),
            self._one(4, chain[4]),
        )
        if self._stats["bad_id"] != bad:
            # Not remembered: each time is counted.
            return NO_IDS if ids == NO_IDS else ids
        if len(self._chains) >= self._size_max:
            self._chains.clear()
        self._chains[chain] = ids
        return ids

    def _one(self, level: int, attribute: bytes | None) -> str | None:
        if attribute is None:
            return None
        remembered = self._known[level]
        known = remembered.get(attribute)
        if known is not None:
            return known
        value = read(attribute)
        if not isinstance(value, str) or not is_id(level, value):
            self._stats["bad_id"] += 1
            return None
        if len(remembered) >= self._size_max:
            remembered.clear()
        remembered[attribute] = value
        return value
