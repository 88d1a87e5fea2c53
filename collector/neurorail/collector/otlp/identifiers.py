"""Finding bad chain ids in a request's bytes without looking at every attribute in Python.

A well-formed attribute has one form on the wire: its key, then a string value with two lengths.
One regular expression finds every place where a chain id's name stands and is not followed by
exactly that; only then are the parsed attributes looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from neurorail.semconv.attributes import CHAIN_IDS, ID_PREFIXES, PREFIX

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

_LEVELS: Final = tuple(zip(CHAIN_IDS, ID_PREFIXES, strict=True))
_ID_CHARS: Final = "[A-Za-z0-9._-]"
_MAX_TAIL: Final = 64

_PATTERNS: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {key: re.compile(f"{prefix}{_ID_CHARS}{{1,{_MAX_TAIL}}}", re.ASCII) for key, prefix in _LEVELS}
)


def _suspect_pattern() -> re.Pattern[bytes]:
    """The places where a chain id's key is not followed by a valid id."""
    # 32 and 16 hex digits first: nearly all ids are made from UUIDs, trace ids and span ids.
    tails = [32, 16, *(n for n in range(1, _MAX_TAIL + 1) if n not in (32, 16))]
    parts = []
    for key, prefix in _LEVELS:
        values = b"|".join(
            b"%b\n%b%b%b{%d}"
            % (
                re.escape(bytes([tail + 4])),
                re.escape(bytes([tail + 2])),
                prefix.encode(),
                _ID_CHARS.encode(),
                tail,
            )
            for tail in tails
        )
        name = re.escape(key.removeprefix(PREFIX)).encode()
        parts.append(b"%b(?!\x12(?:%b))" % (name, values))
    return re.compile(re.escape(PREFIX).encode() + b"(?:" + b"|".join(parts) + b")", re.DOTALL)


_SUSPECT: Final = _suspect_pattern()


def may_hold_bad_ids(body: bytes) -> bool:
    """Whether a request might hold a chain id of wrong form. False is certain, True is not."""
    return _SUSPECT.search(body) is not None


def has_bad_id(attributes: Iterable[KeyValue]) -> bool:
    """Whether one of the attributes is a chain id of wrong form."""
    for attribute in attributes:
        pattern = _PATTERNS.get(attribute.key)
        if pattern is not None and pattern.fullmatch(attribute.value.string_value) is None:
            return True
    return False
