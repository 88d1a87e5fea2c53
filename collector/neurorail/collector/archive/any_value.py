"""Renders attribute values as text, as the Collector does: Go's JSON, with keys in order.

One difference: an array that holds a number that is not finite has it as a string; the Collector
stores an empty text for the whole array.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue

_GO_ESCAPES: Final = str.maketrans(
    {
        "<": "\\u003c",
        ">": "\\u003e",
        "&": "\\u0026",
        "\u2028": "\\u2028",
        "\u2029": "\\u2029",
    }
)
LARGE: Final = 1e21
"""From here on numbers are written with an exponent."""


def value_text(value: AnyValue) -> str:
    """The value as the Collector's exporter stores it: text as it is, nested values as JSON."""
    kind = value.WhichOneof("value")
    if kind is None:
        return ""
    if kind == "string_value":
        return value.string_value
    if kind == "bytes_value":
        return b64encode(value.bytes_value).decode()
    if kind == "double_value" and not math.isfinite(value.double_value):
        return f"json: unsupported value: {double_text(value.double_value)}"
    return json_text(value)


def json_text(value: AnyValue) -> str:
    """The value as compact JSON."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return _string(value.string_value)
    if kind == "int_value":
        return str(value.int_value)
    if kind == "double_value":
        number = value.double_value
        text = double_text(number)
        return text if math.isfinite(number) else f'"{text}"'
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    if kind == "bytes_value":
        return f'"{b64encode(value.bytes_value).decode()}"'
    if kind == "array_value":
        return f"[{','.join(json_text(item) for item in value.array_value.values)}]"
    if kind == "kvlist_value":
        # Of two entries with one key the last stays, as in any map.
        entries = {entry.key: entry.value for entry in value.kvlist_value.values}
        pairs = (f"{_string(key)}:{json_text(entries[key])}" for key in sorted(entries))
        return f"{{{','.join(pairs)}}}"
    return "null"


def double_text(number: float) -> str:
    """A number as JavaScript writes it, with a sign in a positive exponent; or NaN, +Inf, -Inf."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    size = abs(number)
    if size == 0 or 1e-6 <= size < LARGE:
        return _without_exponent(number)
    mantissa, _, exponent = repr(number).partition("e")
    if not exponent:
        return mantissa
    sign = "-" if exponent.startswith("-") else "+"
    return f"{mantissa.removesuffix('.0')}e{sign}{exponent.lstrip('+-').lstrip('0')}"


def _without_exponent(number: float) -> str:
    mantissa, _, exponent = repr(number).partition("e")
    if exponent:
        digits = max(0, len(mantissa.partition(".")[2]) - int(exponent))
        return f"{number:.{digits}f}"
    return mantissa.removesuffix(".0")


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).translate(_GO_ESCAPES)
