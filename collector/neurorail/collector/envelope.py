"""The envelope of a record: what the inbox stamps and keeps. Version 1."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

SCHEMA_VERSION: Final = 1
DEFAULT_TENANT: Final = "default"
TENANT_PATTERN: Final = r"[A-Za-z0-9._-]{1,64}"
_TENANT: Final = re.compile(TENANT_PATTERN)
ANONYMOUS: Final = "anonymous"
OTLP_ENCODING: Final = "otlp_proto"
IMPORTED_ENCODING: Final = "otlp_proto_imported"
"""Telemetry out of an archive: only an import that is allowed to may write it."""


class Kind(IntEnum):
    """What a record is."""

    TELEMETRY = 1
    """An OTLP export request; the body is its protobuf bytes."""
    COMMAND = 2
    """A REST write; the body is JSON."""
    TICK = 3
    """Time passed and something is due; the body is empty."""
    SYSTEM = 4
    """Resumption, epoch, price table, archive results …; the body is JSON."""


class Signal(IntEnum):
    """Which OTLP signal a telemetry record holds."""

    NONE = 0
    TRACES = 1
    LOGS = 2
    METRICS = 3


def is_tenant(text: str) -> bool:
    """Whether a text may name a tenant: 1 to 64 letters, digits, dots, underscores and hyphens."""
    return _TENANT.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Submission:
    """A record on its way into the inbox: everything but the sequence number and receive time.

    Raises:
        ValueError: the tenant is none. The engine's keys are made of it, and a record is for ever.
    """

    kind: Kind
    signal: Signal
    body: bytes
    tenant: str = DEFAULT_TENANT
    """From credentials, never from telemetry."""
    principal: str = ANONYMOUS
    encoding: str = OTLP_ENCODING
    """`otlp_proto` for telemetry, `otlp_proto_imported` out of an archive, `json` for the rest."""
    items: int = 0
    """Spans, log records or data points in the body."""

    def __post_init__(self) -> None:
        if not is_tenant(self.tenant):
            raise ValueError(f"{self.tenant[:80]!r} names no tenant")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A durable record. `seq` starts at 1 and has no gaps; `received_unix_nano` only grows."""

    seq: int
    kind: Kind
    signal: Signal
    encoding: str
    received_unix_nano: int
    tenant: str
    principal: str
    schema_version: int
    body: bytes
    items: int = 0


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the inbox gave a submission when it became durable."""

    seq: int
    received_unix_nano: int
