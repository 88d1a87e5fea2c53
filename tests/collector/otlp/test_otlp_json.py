from __future__ import annotations

import base64
import json
import math
import typing
from typing import Any

import msgspec
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from tests.collector.otlp import examples
from tests.collector.otlp.telemetry import TRACE_ID

from neurorail.collector.envelope import Signal
from neurorail.collector.otlp import json_shapes
from neurorail.collector.otlp.otlp_json import JsonError, json_to_protobuf
from neurorail.collector.otlp.signals import BY_SIGNAL, SPECS

PROFILING_ONLY = {"string_value_strindex", "key_strindex"}


def read(signal: Signal, body: Any) -> Any:
    """The request that a JSON body becomes."""
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    return BY_SIGNAL[signal].request.FromString(json_to_protobuf(signal, encoded)[0])


def span(**fields: Any) -> dict[str, Any]:
    fields = {"traceId": TRACE_ID.hex(), "spanId": "00f067aa0ba902b7", **fields}
    return {"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]}


def read_span(**fields: Any) -> Any:
    return read(Signal.TRACES, span(**fields)).resource_spans[0].scope_spans[0].spans[0]


def read_value(value: dict[str, Any]) -> Any:
    return read_span(attributes=[{"key": "k", "value": value}]).attributes[0].value


def ids_as_base64(value: Any) -> Any:
    """What protobuf's own JSON reader expects in place of OTLP's hex ids."""
    if isinstance(value, list):
        return [ids_as_base64(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(item)).decode()
        if key in ("traceId", "spanId", "parentSpanId")
        else ids_as_base64(item)
        for key, item in value.items()
    }


@pytest.mark.parametrize(
    ("signal", "example"),
    [
        (Signal.TRACES, examples.TRACE),
        (Signal.LOGS, examples.LOGS),
        (Signal.LOGS, examples.EVENTS),
        (Signal.METRICS, examples.METRICS),
    ],
    ids=["trace", "logs", "events", "metrics"],
)
def test_the_examples_of_the_specification_read_as_protobuf_reads_them(
    signal: Signal, example: dict[str, Any]
) -> None:
    expected = BY_SIGNAL[signal].request()
    json_format.ParseDict(ids_as_base64(example), expected)

    assert read(signal, example).SerializeToString(deterministic=True) == (
        expected.SerializeToString(deterministic=True)
    )


def _messages(descriptor: Descriptor, seen: dict[str, Descriptor]) -> dict[str, Descriptor]:
    if descriptor.name not in seen:
        seen[descriptor.name] = descriptor
        for field in descriptor.fields:
            if field.message_type is not None:
                _messages(field.message_type, seen)
    return seen


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_field_of_every_message_can_be_sent(spec: Any) -> None:
    for name, descriptor in _messages(spec.request.DESCRIPTOR, {}).items():
        shape = getattr(json_shapes, name)
        fields = {field.name: field.encode_name for field in msgspec.structs.fields(shape)}
        for field in descriptor.fields:
            if field.name not in PROFILING_ONLY:
                assert fields.get(field.name) == field.json_name, f"{name}.{field.name}"


@pytest.mark.parametrize("text", ["00f067aa0ba902b7", "00F067AA0BA902B7", "00F067aa0ba902B7"])
def test_ids_are_hex_in_any_case(text: str) -> None:
    assert read_span(spanId=text).span_id == bytes.fromhex(text)


@pytest.mark.parametrize("value", [1544712660000000000, "1544712660000000000"])
def test_64_bit_numbers_are_numbers_or_strings(value: int | str) -> None:
    assert read_span(startTimeUnixNano=value).start_time_unix_nano == 1544712660000000000


@pytest.mark.parametrize(
    ("value", "expected"),
    [("-1", -1), (1.0, 1), (-(1 << 63), -(1 << 63)), ("9223372036854775807", (1 << 63) - 1)],
)
def test_whole_numbers_of_64_bits_are_kept(value: Any, expected: int) -> None:
    assert read_value({"intValue": value}).int_value == expected


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"stringValue": ""}, "string_value"),
        ({"boolValue": False}, "bool_value"),
        ({"intValue": 0}, "int_value"),
        ({"doubleValue": 0}, "double_value"),
        ({"arrayValue": {}}, "array_value"),
        ({"kvlistValue": {}}, "kvlist_value"),
        ({"bytesValue": ""}, "bytes_value"),
        ({}, None),
        ({"stringValue": None}, None),
    ],
)
def test_a_default_value_keeps_its_kind(value: dict[str, Any], kind: str | None) -> None:
    assert read_value(value).WhichOneof("value") == kind


@pytest.mark.parametrize("text", ["+/8=", "-_8=", "-_8"])
def test_bytes_are_base64_of_either_alphabet(text: str) -> None:
    assert read_value({"bytesValue": text}).bytes_value == b"\xfb\xff"


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1.5"])
def test_doubles_may_be_text(text: str) -> None:
    value = read_value({"doubleValue": text}).double_value

    assert value == float(text) or (math.isnan(value) and text == "NaN")


def test_unknown_fields_are_ignored_at_every_level() -> None:
    body = span(futureField={"a": [1]}, status={"code": 2, "other": None})
    body["unknown"] = 1
    body["resourceSpans"][0]["resource"] = {"new": True}

    assert read(Signal.TRACES, body).resource_spans[0].scope_spans[0].spans[0].status.code == 2


def test_null_means_absent() -> None:
    assert read_span(name=None, attributes=None, startTimeUnixNano=None, status=None).name == ""


def test_snake_case_is_an_unknown_field() -> None:
    assert read_span(start_time_unix_nano=5).start_time_unix_nano == 0


def test_long_texts_and_many_attributes_are_kept() -> None:
    attributes = [{"key": f"k{n}", "value": {"stringValue": "ä" * n}} for n in range(3_000)]

    stored = read_span(attributes=attributes).attributes

    assert [a.value.string_value for a in stored] == ["ä" * n for n in range(3_000)]


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"kind": "SPAN_KIND_SERVER"}, "resourceSpans[0].scopeSpans[0].spans[0].kind"),
        ({"kind": 1 << 31}, "kind"),
        ({"attributes": {"a": "b"}}, "resourceSpans[0].scopeSpans[0].spans[0].attributes"),
        ({"startTimeUnixNano": "soon"}, "startTimeUnixNano"),
        ({"startTimeUnixNano": -1}, "startTimeUnixNano"),
        ({"startTimeUnixNano": 1.5}, "startTimeUnixNano"),
        ({"startTimeUnixNano": 1 << 64}, "startTimeUnixNano"),
        ({"flags": 1 << 32}, "flags"),
        ({"droppedEventsCount": "x"}, "droppedEventsCount"),
        ({"attributes": [{"key": "k", "value": {"intValue": "x"}}]}, "intValue"),
        ({"attributes": [{"key": "k", "value": {"intValue": 1 << 63}}]}, "intValue"),
        ({"attributes": [{"key": "k", "value": {"intValue": 0.5}}]}, "intValue"),
        ({"attributes": [{"key": "k", "value": {"bytesValue": "*"}}]}, "bytesValue"),
        ({"attributes": [{"key": "k", "value": {"doubleValue": "x"}}]}, "doubleValue"),
    ],
)
def test_a_value_its_field_cannot_hold_is_refused_with_the_field(
    fields: dict[str, Any], where: str
) -> None:
    with pytest.raises(JsonError, match="the body is not OTLP/JSON") as caught:
        read(Signal.TRACES, span(**fields))

    assert caught.value.field == where


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"nul", b"\x00", b'{"resourceSpans":1}'])
def test_what_is_not_json_of_this_shape_is_refused(body: bytes) -> None:
    with pytest.raises(JsonError, match="the body is not OTLP/JSON"):
        json_to_protobuf(Signal.TRACES, body)


@pytest.mark.parametrize("depth", [500, 100_000])
def test_endless_nesting_is_refused(depth: int) -> None:
    value = b'{"arrayValue":{"values":[' * depth + b"{}" + b"]}}" * depth
    body = json.dumps(span(attributes=[{"key": "k", "value": "HERE"}])).encode()

    with pytest.raises(JsonError, match="nested too deep"):
        json_to_protobuf(Signal.TRACES, body.replace(b'"HERE"', value))


@pytest.mark.parametrize(
    ("bad", "stored", "count"),
    [
        (b"a\xffb", "a\ufffdb", 1),
        (b"a\\ud800b", "a\ufffdb", 1),
        (b"\\uDC00\\ud83d", "\ufffd\ufffd", 2),
        (b"\\\\ud800 \xff", "\\ud800 \ufffd", 1),
        (b"\\ud83d\\ude00 \xff", "\U0001f600 \ufffd", 1),
        (b"\xef\xbf\xbd \xff", "\ufffd \ufffd", 1),
    ],
)
def test_bad_characters_are_mended_and_counted(bad: bytes, stored: str, count: int) -> None:
    body = json.dumps(span(name="HERE")).encode().replace(b"HERE", bad)

    encoded, mended = json_to_protobuf(Signal.TRACES, body)

    request = BY_SIGNAL[Signal.TRACES].request.FromString(encoded)
    assert request.resource_spans[0].scope_spans[0].spans[0].name == stored
    assert mended == count


def test_mending_does_not_hide_other_mistakes() -> None:
    with pytest.raises(JsonError, match="Expected"):
        json_to_protobuf(Signal.TRACES, b'{"resourceSpans":"\xff"}')


def test_ids_that_are_not_hex_are_unset_where_they_are_optional() -> None:
    record = {"timeUnixNano": 1, "traceId": "zz", "spanId": "1"}

    request = read(Signal.LOGS, {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]})

    stored = request.resource_logs[0].scope_logs[0].log_records[0]
    assert (stored.trace_id, stored.span_id) == (b"", b"")


def test_entity_references_are_kept() -> None:
    refs = [{"type": "service", "idKeys": ["service.name", "service.instance.id"]}]
    body = {"resourceSpans": [{"resource": {"entityRefs": refs}, "schemaUrl": "https://s"}]}

    request = typing.cast(Any, read(Signal.TRACES, body))

    (ref,) = request.resource_spans[0].resource.entity_refs
    assert (ref.type, list(ref.id_keys)) == ("service", refs[0]["idKeys"])
