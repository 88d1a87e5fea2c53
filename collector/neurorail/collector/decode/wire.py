"""Views of OTLP messages that are cheap to read: the same wire format, fewer fields.

Where the engine needs nothing of a part, the part stays bytes: a span inside its scope, a value
inside its attribute. Text fields are `bytes` here as well, so that no text is checked or copied
that nobody reads. The wire format of a sub-message, a text and a `bytes` field is one and the same;
so is that of a list of key-value messages and of a map. Attributes are maps here, from key to the
bytes of an `AnyValue`: they are looked up in C, and the last of several equal keys wins.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELD = descriptor_pb2.FieldDescriptorProto
_PACKAGE: Final = "neurorail.wire"
_ATTRIBUTES: Final = "map"
_ENTRY: Final = "AttributesEntry"

# message → (field, number, type, repeated); a type that is a name is a message of this file.
_MESSAGES: Final[dict[str, tuple[tuple[str, int, int | str, bool], ...]]] = {
    "Export": (("groups", 1, "Group", True),),
    "Group": (("resource", 1, _FIELD.TYPE_BYTES, False), ("scopes", 2, "Scope", True)),
    "Scope": (("items", 2, _FIELD.TYPE_BYTES, True),),
    "Resource": (("attributes", 1, _ATTRIBUTES, True),),
    "Span": (
        ("trace_id", 1, _FIELD.TYPE_BYTES, False),
        ("span_id", 2, _FIELD.TYPE_BYTES, False),
        ("trace_state", 3, _FIELD.TYPE_BYTES, False),
        ("parent_span_id", 4, _FIELD.TYPE_BYTES, False),
        ("start", 7, _FIELD.TYPE_FIXED64, False),
        ("end", 8, _FIELD.TYPE_FIXED64, False),
        ("attributes", 9, _ATTRIBUTES, True),
        ("events", 11, _FIELD.TYPE_BYTES, True),
        ("status", 15, "Status", False),
    ),
    "Status": (
        ("message", 2, _FIELD.TYPE_BYTES, False),
        ("code", 3, _FIELD.TYPE_INT32, False),
    ),
    "SpanEvent": (
        ("time", 1, _FIELD.TYPE_FIXED64, False),
        ("name", 2, _FIELD.TYPE_BYTES, False),
        ("attributes", 3, _ATTRIBUTES, True),
    ),
    "LogRecord": (
        ("time", 1, _FIELD.TYPE_FIXED64, False),
        ("attributes", 6, _ATTRIBUTES, True),
        ("trace_id", 9, _FIELD.TYPE_BYTES, False),
        ("span_id", 10, _FIELD.TYPE_BYTES, False),
        ("observed", 11, _FIELD.TYPE_FIXED64, False),
        ("event_name", 12, _FIELD.TYPE_BYTES, False),
    ),
    "AnyValue": (
        ("string_value", 1, _FIELD.TYPE_BYTES, False),
        ("bool_value", 2, _FIELD.TYPE_BOOL, False),
        ("int_value", 3, _FIELD.TYPE_INT64, False),
        ("double_value", 4, _FIELD.TYPE_DOUBLE, False),
        ("array_value", 5, "ArrayValue", False),
        ("kvlist_value", 6, _FIELD.TYPE_BYTES, False),
        ("bytes_value", 7, _FIELD.TYPE_BYTES, False),
    ),
    "ArrayValue": (("values", 1, "AnyValue", True),),
}


def _add_entry(message: descriptor_pb2.DescriptorProto) -> None:
    entry = message.nested_type.add(name=_ENTRY)
    entry.options.map_entry = True
    for number, (name, kind) in enumerate(
        (("key", _FIELD.TYPE_STRING), ("value", _FIELD.TYPE_BYTES)), start=1
    ):
        entry.field.add(name=name, number=number, type=kind, label=_FIELD.LABEL_OPTIONAL)


def _descriptor() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="neurorail/wire.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if name == "AnyValue":
            message.oneof_decl.add(name="value")
        for field_name, number, kind, repeated in fields:
            field = message.field.add(
                name=field_name,
                number=number,
                label=_FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL,
            )
            if kind == _ATTRIBUTES:
                _add_entry(message)
                kind = f"{name}.{_ENTRY}"
            if isinstance(kind, str):
                field.type = _FIELD.TYPE_MESSAGE
                field.type_name = f".{_PACKAGE}.{kind}"
            else:
                field.type = _FIELD.Type.ValueType(kind)
            if name == "AnyValue":
                field.oneof_index = 0
    return file


# A pool of its own: nothing here can clash with a schema that somebody else registers.
_POOL: Final = descriptor_pool.DescriptorPool()
_POOL.Add(_descriptor())


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


Export: Final = _message("Export")
"""A traces or logs request: groups by resource, scopes, and items that are still bytes."""
Resource: Final = _message("Resource")
Span: Final = _message("Span")
SpanEvent: Final = _message("SpanEvent")
LogRecord: Final = _message("LogRecord")
AnyValue: Final = _message("AnyValue")
