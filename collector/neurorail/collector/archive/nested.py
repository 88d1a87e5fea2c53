"""Finds attribute values that the views cannot render exactly, and makes them text.

ClickHouse itself renders plain values and arrays of plain values. Maps, and whatever is nested
deeper, it would drop, and very large numbers it writes differently; these are rendered here as the
Collector renders them, so nothing is lost at any depth. Nearly no request holds any, so looking
must be cheap: a request is parsed with a schema in which nothing repeats. Protobuf then merges all
spans into one, all attributes into one, and so on; what any of them holds, the one holds, and one
look answers for all. Large numbers are found by their bytes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from neurorail.collector.archive.any_value import LARGE, value_text
from neurorail.collector.envelope import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from google.protobuf.message import Message
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue

_FieldProto = descriptor_pb2.FieldDescriptorProto
_SCALARS: Final = {
    "bytes": _FieldProto.TYPE_BYTES,
    "varint": _FieldProto.TYPE_INT64,
    "fixed64": _FieldProto.TYPE_FIXED64,
    "fixed32": _FieldProto.TYPE_FIXED32,
}

# Fields by number. Those that nobody asks for are declared too: unknown ones would be slow.
_PLAIN_VALUES: Final = {1: "bytes", 2: "varint", 3: "varint", 4: "fixed64", 7: "bytes"}
_VALUE_SHAPES: Final[Mapping[str, Mapping[int, str]]] = {
    "Resource": {1: "KeyValue", 2: "varint"},
    "Scope": {1: "bytes", 2: "bytes", 3: "KeyValue", 4: "varint"},
    "KeyValue": {1: "bytes", 2: "AnyValue"},
    "AnyValue": {**_PLAIN_VALUES, 5: "Array", 6: "bytes"},
    "Array": {1: "Leaf"},
    "Leaf": {**_PLAIN_VALUES, 5: "bytes", 6: "bytes"},
}
_TRACES: Final[Mapping[str, Mapping[int, str]]] = {
    "Request": {1: "Group"},
    "Group": {1: "Resource", 2: "Scoped", 3: "bytes"},
    "Scoped": {1: "Scope", 2: "Span", 3: "bytes"},
    "Span": {
        **dict.fromkeys((1, 2, 3, 4, 5, 15), "bytes"),
        **dict.fromkeys((6, 10, 12, 14), "varint"),
        **dict.fromkeys((7, 8), "fixed64"),
        9: "KeyValue",
        11: "Event",
        13: "Link",
        16: "fixed32",
    },
    "Event": {1: "fixed64", 2: "bytes", 3: "KeyValue", 4: "varint"},
    "Link": {**dict.fromkeys((1, 2, 3), "bytes"), 4: "KeyValue", 5: "varint", 6: "fixed32"},
}
_LOGS: Final[Mapping[str, Mapping[int, str]]] = {
    "Request": {1: "Group"},
    "Group": {1: "Resource", 2: "Scoped", 3: "bytes"},
    "Scoped": {1: "Scope", 2: "LogRecord", 3: "bytes"},
    "LogRecord": {
        **dict.fromkeys((1, 11), "fixed64"),
        **dict.fromkeys((2, 7), "varint"),
        **dict.fromkeys((3, 9, 10, 12), "bytes"),
        5: "AnyValue",
        6: "KeyValue",
        8: "fixed32",
    },
}
_METRICS: Final[Mapping[str, Mapping[int, str]]] = {
    "Request": {1: "Group"},
    "Group": {1: "Resource", 2: "Scoped", 3: "bytes"},
    "Scoped": {1: "Scope", 2: "Metric", 3: "bytes"},
    "Metric": {
        **dict.fromkeys((1, 2, 3, 12), "bytes"),
        5: "Numbers",
        7: "Numbers",
        9: "Histogram",
        10: "ExponentialHistogram",
        11: "Summary",
    },
    "Numbers": {1: "Number", 2: "varint", 3: "varint"},
    "Number": {**dict.fromkeys((2, 3, 4, 6), "fixed64"), 5: "Exemplar", 7: "KeyValue", 8: "varint"},
    "Histogram": {1: "HistogramPoint", 2: "varint"},
    "HistogramPoint": {
        **dict.fromkeys((2, 3, 4, 5, 11, 12), "fixed64"),
        **dict.fromkeys((6, 7), "bytes"),
        8: "Exemplar",
        9: "KeyValue",
        10: "varint",
    },
    "ExponentialHistogram": {1: "ExponentialPoint", 2: "varint"},
    "ExponentialPoint": {
        1: "KeyValue",
        **dict.fromkeys((2, 3, 4, 5, 7, 12, 13, 14), "fixed64"),
        **dict.fromkeys((6, 10), "varint"),
        **dict.fromkeys((8, 9), "bytes"),
        11: "Exemplar",
    },
    "Summary": {1: "SummaryPoint"},
    "SummaryPoint": {
        **dict.fromkeys((2, 3, 4, 5), "fixed64"),
        6: "bytes",
        7: "KeyValue",
        8: "varint",
    },
    "Exemplar": {
        **dict.fromkeys((2, 3, 6), "fixed64"),
        **dict.fromkeys((4, 5), "bytes"),
        7: "KeyValue",
    },
}
_SHAPES: Final = {Signal.TRACES: _TRACES, Signal.LOGS: _LOGS, Signal.METRICS: _METRICS}
_REQUESTS: Final[Mapping[Signal, Callable[[], Message]]] = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
}


_LARGE_DOUBLE: Final = re.compile(rb"\x09!(?<=[\x0a\x12*]\x09!).{7}[\x44-\x7f\xc4-\xff]", re.DOTALL)
"""A value of nine bytes that is a double of about 6e20 or more, infinite, or not a number.

It begins with two bytes that are searched for at memory speed; what is before them is looked at
where they stand.
"""


class NestedValues:
    """Finds and renders such values. One instance serves any number of requests."""

    def __init__(self) -> None:
        self._shapes = {signal: _message_class(signal) for signal in _SHAPES}

    def flatten(self, signal: Signal, body: bytes) -> bytes:
        """The request with such values as text; the same object if it has none."""
        if not self.any_must_flatten(signal, [body]):
            return body
        request = _REQUESTS[signal]()
        try:
            request.ParseFromString(body)
        except DecodeError:
            return body  # Nested beyond what protobuf's parser follows; receivers refuse it.
        for value in _values(request):
            if _is_inexact(value):
                text = value_text(value)
                value.Clear()
                value.string_value = text
        return request.SerializeToString()

    def any_must_flatten(self, signal: Signal, bodies: Sequence[bytes]) -> bool:
        """Whether one of many requests of a signal may; requests in a row are one request."""
        joined = bodies[0] if len(bodies) == 1 else b"".join(bodies)
        if _LARGE_DOUBLE.search(joined):
            return True
        merged = self._shapes[signal]()
        try:
            merged.ParseFromString(joined)
        except DecodeError:
            return True  # One of them is broken: each is looked at by itself.
        return any(_is_nested(value) for value in _merged_values(merged))


def _message_class(signal: Signal) -> Callable[[], Message]:
    name = signal.name.lower()
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{name}_shape.proto", package=name, syntax="proto2"
    )
    for message_name, fields in {**_VALUE_SHAPES, **_SHAPES[signal]}.items():
        message = file.message_type.add(name=message_name)
        for number, kind in fields.items():
            field = message.field.add(
                name=f"{kind.lower()}_{number}", number=number, label=_FieldProto.LABEL_OPTIONAL
            )
            if kind in _SCALARS:
                field.type = _SCALARS[kind]
            else:
                field.type = _FieldProto.TYPE_MESSAGE
                field.type_name = f".{name}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{name}.Request"))


def _merged_values(message: Message) -> Iterator[Message]:
    """Every merged `AnyValue` below a merged message."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.name == "AnyValue":
            yield value
        else:
            yield from _merged_values(value)


def _is_nested(value: Message) -> bool:
    merged: Any = value
    leaf = merged.array_5.leaf_1
    return any((merged.HasField("bytes_6"), leaf.HasField("bytes_5"), leaf.HasField("bytes_6")))


def _values(message: Message) -> Iterator[AnyValue]:
    """Every outermost `AnyValue` of a request."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for item in value if field.is_repeated else (value,):
            if field.message_type.name == "AnyValue":
                yield item
            else:
                yield from _values(item)


def _is_inexact(value: AnyValue) -> bool:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return any(
            item.WhichOneof("value") in ("array_value", "kvlist_value") or _is_large(item)
            for item in value.array_value.values
        )
    return kind == "kvlist_value" or _is_large(value)


def _is_large(value: AnyValue) -> bool:
    # Not a number is not less than anything either.
    return value.WhichOneof("value") == "double_value" and not abs(value.double_value) < LARGE
