"""Attribute values as the Collector's exporter stored them, which is text, made values again.

What a text was is lost: `42` may have been a number or a text. Attributes that are known to be
numbers or lists become that again; all others stay the text that they are.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from neurorail.semconv import attributes as own
from neurorail.semconv.genai import CURRENT

_INT64: Final = range(-(1 << 63), 1 << 63)
_WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_NUMBER_MEANINGS: Final = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_usd",
    "cost_input_usd",
    "cost_output_usd",
    "first_chunk_s",
    "first_chunk_ms",
)
NUMBERS: Final = frozenset(
    {
        own.ATTEMPT_NUMBER,
        *(own.BUDGET_PREFIX + name for name in own.BUDGET_FIELDS),
        *(name for meaning in _NUMBER_MEANINGS for name in CURRENT.aliases[meaning]),
    }
)
"""Attributes that are read as numbers."""
LISTS: Final = frozenset(
    {
        own.JOB_DEPENDENCIES,
        own.TRANSITIONS,
        own.TRANSITION_TIMES,
        "gen_ai.request.encoding_formats",
        "gen_ai.request.stop_sequences",
        "gen_ai.response.finish_reasons",
    }
)
"""Attributes that are lists; the exporter writes these as JSON."""


def set_attributes(into: Any, stored: Mapping[str, str]) -> None:
    """Fill a repeated field of key-values, in the order of the keys.

    A map of ClickHouse keeps the order it was sent in; the same map in another order is the same.
    """
    for key in sorted(stored):
        into.append(KeyValue(key=key, value=value_of(key, stored[key])))


def value_of(key: str, text: str) -> AnyValue:
    """The value that a stored text stands for."""
    if key in NUMBERS:
        return _number(text)
    if key in LISTS and text.startswith("["):
        return _list(text)
    return AnyValue(string_value=text)


def _number(text: str) -> AnyValue:
    if _WHOLE.fullmatch(text) and int(text) in _INT64:
        return AnyValue(int_value=int(text))
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    # A double that would be written otherwise says less than its text.
    if math.isfinite(number) and repr(number) == text:
        return AnyValue(double_value=number)
    return AnyValue(string_value=text)


def _list(text: str) -> AnyValue:
    try:
        items = json.loads(text)
    except ValueError:
        return AnyValue(string_value=text)
    made = AnyValue()
    made.array_value.values.extend(_items(items))
    return made


def _items(items: Iterable[Any]) -> Iterable[AnyValue]:
    for item in items:
        if isinstance(item, int) and not isinstance(item, bool) and item in _INT64:
            yield AnyValue(int_value=item)
        else:
            yield AnyValue(string_value=item if isinstance(item, str) else json.dumps(item))
