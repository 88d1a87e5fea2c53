"""OTLP/JSON. First the seam; the decoder follows."""

from __future__ import annotations

from neurorail.collector.envelope import Signal


class JsonError(ValueError):
    """The body is not OTLP/JSON. `field` says where."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


def json_to_protobuf(signal: Signal, body: bytes) -> tuple[bytes, int]:
    """Translate; the protobuf bytes and how many strings were mended."""
    raise JsonError("not yet")
