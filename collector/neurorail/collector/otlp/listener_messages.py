"""What the server and its gRPC listener say besides the bodies of requests and answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

import msgspec

from neurorail.collector.otlp.headers import as_text

DETAILS_KEY: Final = "grpc-status-details-bin"
Metadata: TypeAlias = list[tuple[str, str]]


class Certificates(msgspec.Struct, frozen=True, array_like=True):
    """The contents of TLS files, in PEM form."""

    key: bytes
    cert: bytes
    client_authority: bytes | None
    """Whose certificates clients must show; None: they need not show any."""


class Limits(msgspec.Struct, frozen=True, array_like=True):
    """What the listener may hold for the server."""

    inflight_requests: int
    inflight_bytes: int
    retry_details: bytes
    """The details of a `google.rpc.Status` that tell a client when to try again."""


class Listen(msgspec.Struct, frozen=True, array_like=True):
    """How to listen, and for what."""

    options: list[tuple[str, int]]
    """Settings of gRPC."""
    address: str
    services: list[str]
    """Their places are the signals' numbers."""
    limits: Limits
    certificates: Certificates | None = None


class Refused(msgspec.Struct, frozen=True, array_like=True):
    """What a client is told besides the status code."""

    message: str
    details: bytes
    """An encoded `google.rpc.Status`."""


class Stats(msgspec.Struct, frozen=True, array_like=True):
    """What the listener's process uses."""

    memory_rss: int = 0
    cpu_seconds: float = 0.0


pack = msgspec.msgpack.Encoder().encode
unpack_listen = msgspec.msgpack.Decoder(Listen).decode
unpack_certificates = msgspec.msgpack.Decoder(Certificates).decode
unpack_refused = msgspec.msgpack.Decoder(Refused).decode
unpack_stats = msgspec.msgpack.Decoder(Stats).decode
unpack_metadata = msgspec.msgpack.Decoder(Metadata).decode


def pack_metadata(pairs: Iterable[tuple[str, str | bytes]]) -> bytes:
    """Metadata as a call has it; binary values as text of one character a byte."""
    return pack([(name, as_text(value)) for name, value in pairs])
