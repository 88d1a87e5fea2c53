"""Ids of entities: a prefix and a UUIDv7, so that ids sort by the time they were made."""

from __future__ import annotations

import os
import random
import re
import time
from typing import Final

from neurorail.semconv.attributes import ENTITY_TYPES, ID_PREFIXES

_VERSION: Final = 0x7 << 76
_VARIANT: Final = 0x2 << 62
_VARIANT_BITS: Final = 0x3 << 62
# Asking the kernel for each id costs more than all else about it. Not the shared generator, which
# programs seed, so that a hundred processes would make the same ids.
_random: Final = random.Random(os.urandom(32))
os.register_at_fork(after_in_child=lambda: _random.seed(os.urandom(32)))
_ID: Final = re.compile(r"[mpjar]_[A-Za-z0-9._-]{1,64}")


def new_id(level: int) -> str:
    """A new id for an entity of the level: 0 is a mission, 4 a resource."""
    value = (time.time_ns() // 1_000_000) << 80 | _VERSION | _random.getrandbits(76)
    return f"{ID_PREFIXES[level]}{value & ~_VARIANT_BITS | _VARIANT:032x}"


def checked_id(level: int, given: str) -> str:
    """An id given by the caller.

    Raises:
        ValueError: it is not what the server takes for an id of the level.
    """
    if not _ID.fullmatch(given) or not given.startswith(ID_PREFIXES[level]):
        raise ValueError(
            f"{given!r} is no id of a {ENTITY_TYPES[level]}: write {ID_PREFIXES[level]} and "
            "up to 64 letters, digits, dots, dashes or underscores"
        )
    return given
