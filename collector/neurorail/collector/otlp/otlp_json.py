"""Reading OTLP/JSON into protobuf bytes, so that all that follows knows one form."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from neurorail.collector.envelope import Signal
from neurorail.collector.otlp import json_shapes
from neurorail.collector.otlp.signals import BY_SIGNAL, SPECS
from neurorail.collector.otlp.wire_encoding import ValueFault, message_encoder

_ENVELOPES: Final = {
    Signal.TRACES: "resource_spans",
    Signal.LOGS: "resource_logs",
    Signal.METRICS: "resource_metrics",
}
_DECODERS: Final = {
    spec.signal: msgspec.json.Decoder(getattr(json_shapes, spec.request.DESCRIPTOR.name))
    for spec in SPECS
}
_ENCODERS: Final = {spec.signal: message_encoder(spec.request.DESCRIPTOR) for spec in SPECS}

_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
# A pair of surrogates is fine, one alone is not; other escapes are passed over as a whole.
_ESCAPES: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\.",
    re.DOTALL,
)


class JsonError(ValueError):
    """The body is not OTLP/JSON of this signal. `field` says where it is wrong, if known."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


def json_to_protobuf(signal: Signal, body: bytes) -> tuple[bytes, int]:
    """Translate a request; its protobuf bytes, and how many bad characters were mended.

    Raises:
        JsonError: the body cannot be read.
    """
    try:
        shape, mended = _decode(signal, body)
        _expect_signal(signal, shape)
        return _ENCODERS[signal](shape), mended
    except RecursionError:
        raise JsonError("the body is nested too deep") from None
    except ValueFault as fault:
        raise JsonError(f"the body is not OTLP/JSON: {fault}", fault.field) from fault


def _decode(signal: Signal, body: bytes) -> tuple[Any, int]:
    decoder = _DECODERS[signal]
    try:
        return decoder.decode(body), 0
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        text, mended = _mend(body)
        if not mended:
            raise _not_json(error) from error
    try:
        return decoder.decode(text), mended
    except msgspec.DecodeError as error:
        raise _not_json(error) from error


def _not_json(error: Exception) -> JsonError:
    message = str(error)
    path = message.partition(" - at `")[2].rstrip("`").removeprefix("$.")
    return JsonError(f"the body is not OTLP/JSON: {message}", path)


def _mend(body: bytes) -> tuple[str, int]:
    """Replace what is not UTF-8, and halves of surrogate pairs."""
    text = body.decode(errors="replace")
    mended = text.count(_REPLACEMENT) - body.count(_REPLACEMENT.encode())

    def mend(match: re.Match[str]) -> str:
        nonlocal mended
        if match[1] is None:
            return match[0]
        mended += 1
        return _REPLACEMENT

    return _ESCAPES.sub(mend, text), mended


def _expect_signal(signal: Signal, shape: Any) -> None:
    """Refuse another signal's export: as unknown fields are ignored, it would vanish silently."""
    if getattr(shape, _ENVELOPES[signal]) is not None:
        return
    for other, field in _ENVELOPES.items():
        if other is not signal and getattr(shape, field) != json_shapes.ABSENT:
            right, wrong = BY_SIGNAL[other], BY_SIGNAL[signal]
            raise JsonError(
                f"this looks like a {right.name} export sent to {wrong.path}: send it to"
                f" {right.path}",
                field,
            )
