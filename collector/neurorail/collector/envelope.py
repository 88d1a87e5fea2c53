"""The envelope of a record: what the inbox stamps and keeps. Version 1."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

SCHEMA_VERSION: Final = 1
DEFAULT_TENANT: Final = "default"
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


@dataclass(frozen=True, slots=True)
class Submission:
    """A record on its way into the inbox: everything but the sequence number and receive time."""

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
