from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from tests.collector.otlp.telemetry import attribute, spans, stored_spans

from neurorail.collector.otlp.utf8 import MalformedError, repair_utf8

DESCRIPTOR = ExportTraceServiceRequest.DESCRIPTOR


def body_with(name: bytes) -> bytes:
    filler = "N" * len(name)
    body = spans({"name": filler, "attributes": [attribute("k", "ü")]}, {}).SerializeToString()
    return body.replace(filler.encode(), name)


def test_a_valid_message_is_left_alone() -> None:
    body = body_with("naïve".encode())

    assert repair_utf8(DESCRIPTOR, body) == (body, 0)


@pytest.mark.parametrize("size", [3, 120, 130, 20_000])
def test_lengths_around_a_mended_string_are_right(size: int) -> None:
    mended, count = repair_utf8(DESCRIPTOR, body_with(b"\xff" * size))

    first, second = stored_spans(mended)
    assert count == 1
    assert first.name == "\ufffd" * size
    assert first.attributes[0].value.string_value == "ü"
    assert second.name == "span 2"


def test_bytes_fields_and_unknown_fields_are_not_text() -> None:
    request = spans({"trace_id": b"\xff" * 16, "name": "Q"})
    request.resource_spans[0].MergeFromString(b"\xfa\x3f\x02\xff\xfe")
    body = request.SerializeToString().replace(b"\x2a\x01Q", b"\x2a\x01\xff")

    mended, count = repair_utf8(DESCRIPTOR, body)

    assert count == 1
    assert b"\xfa\x3f\x02\xff\xfe" in mended
    assert stored_spans(mended)[0].trace_id == b"\xff" * 16


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a",
        b"\x0a\x05ab",
        b"\x0b",
        b"\x09\x01",
        b"\x0d\x01",
        b"\x08",
        b"\xff" * 11,
        b"\x0a\x02\x12\xff",
    ],
)
def test_what_is_no_message_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedError):
        repair_utf8(DESCRIPTOR, body)


def delimited(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    return bytes([tag]) + length + content


def test_endless_nesting_is_malformed() -> None:
    value = delimited(0x0A, b"\xff")
    for _ in range(100):
        value = delimited(0x2A, delimited(0x0A, value))

    with pytest.raises(MalformedError, match="nested too deep"):
        repair_utf8(AnyValue.DESCRIPTOR, value)


@given(st.binary(max_size=200))
def test_random_bytes_are_mended_or_malformed(body: bytes) -> None:
    try:
        mended, count = repair_utf8(DESCRIPTOR, body)
    except MalformedError:
        return
    assert (mended == body) == (count == 0)


@given(st.binary(min_size=1, max_size=40))
def test_any_name_becomes_a_request_that_parses(name: bytes) -> None:
    mended, _ = repair_utf8(DESCRIPTOR, body_with(name))

    assert stored_spans(mended)[0].name == name.decode(errors="replace")
