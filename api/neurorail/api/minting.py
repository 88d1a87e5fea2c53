"""Ids made here: the prefix of the entity's type and a UUIDv7, so that newer ids sort last."""

from __future__ import annotations

import os
from typing import Final

from neurorail.semconv.attributes import ID_PREFIXES

_NANOS_PER_MS: Final = 1_000_000
_VERSION: Final = 0x7 << 76
_VARIANT: Final = 0b10 << 62
_RANDOM: Final = (0xFFF << 64) | ((1 << 62) - 1)
"""The bits of a UUIDv7 that are neither time nor fixed."""

DECISION: Final = "d_"
RESERVATION: Final = "v_"


def mint_id(level: int, unix_nano: int) -> str:
    """A new id of a level, made at a Unix time in nanoseconds."""
    return ID_PREFIXES[level] + digits(unix_nano)


def digits(unix_nano: int) -> str:
    """A UUIDv7 made at a Unix time in nanoseconds, in 32 hex digits."""
    millis = (unix_nano // _NANOS_PER_MS) & ((1 << 48) - 1)
    random = int.from_bytes(os.urandom(10), "big") & _RANDOM
    return f"{millis << 80 | _VERSION | _VARIANT | random:032x}"
