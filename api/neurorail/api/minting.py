"""Ids made here: the prefix of the entity's type and a UUIDv7, so that newer ids sort last."""

from __future__ import annotations

import secrets
from typing import Final

from neurorail.semconv.attributes import ID_PREFIXES

_NANOS_PER_MS: Final = 1_000_000
_VERSION: Final = 0x7 << 76
_VARIANT: Final = 0b10 << 62


DECISION: Final = "d_"
RESERVATION: Final = "v_"


def mint_id(level: int, unix_nano: int) -> str:
    """A new id of a level, made at a Unix time in nanoseconds."""
    return mint(ID_PREFIXES[level], unix_nano)


def mint(prefix: str, unix_nano: int) -> str:
    """A new id with a prefix, made at a Unix time in nanoseconds."""
    millis = (unix_nano // _NANOS_PER_MS) & ((1 << 48) - 1)
    number = millis << 80 | _VERSION | secrets.randbits(12) << 64 | _VARIANT | secrets.randbits(62)
    return f"{prefix}{number:032x}"
