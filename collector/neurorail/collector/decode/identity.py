"""Chain ids on the wire: their form, their level, and a bounded memory of those just seen."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

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


class IdReader:
    """Reads an id from its attribute, remembering recent ones so that they share one text.

    The memory is emptied when it is full; what is read never depends on it.
    """

    def __init__(self, stats: Counter[str], size_max: int = 65_536) -> None:
        self._stats = stats
        self._size_max = size_max
        self._known: tuple[dict[bytes, str], ...] = tuple({} for _ in LEVELS)

    def read(self, level: int, attribute: bytes | None) -> str | None:
        """The id, or None (and counted) if it has not the form of one.

        Args:
            level: The level whose id it should be.
            attribute: The bytes of the value; None where there is none.
        """
        if attribute is None:
            return None
        known = self._known[level].get(attribute)
        return self._read(level, attribute) if known is None else known

    def _read(self, level: int, attribute: bytes) -> str | None:
        value = read(attribute)
        if not isinstance(value, str) or not is_id(level, value):
            self._stats["bad_id"] += 1
            return None
        remembered = self._known[level]
        if len(remembered) >= self._size_max:
            remembered.clear()
        remembered[attribute] = value
        return value
