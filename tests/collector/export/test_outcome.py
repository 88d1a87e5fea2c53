"""Which answers are tried again, and when: the tables of the OTLP specification."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from neurorail.collector.export.outcome import (
    TOLD_DELAY_S_MAX,
    Verdict,
    accepted,
    from_grpc,
    from_http,
)
from neurorail.collector.otlp.signals import LOGS, SPECS, TRACES

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AGAIN = {
    "CANCELLED",
    "DEADLINE_EXCEEDED",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNAVAILABLE",
    "DATA_LOSS",
}


def details(*messages: Any) -> bytes:
    status = Status(code=14, message="later")
    for message in messages:
        packed = AnyMessage()
        packed.Pack(message)
        status.details.append(packed)
    body: bytes = status.SerializeToString()
    return body


def after(seconds: float) -> bytes:
    delay = Duration()
    delay.FromNanoseconds(int(seconds * 1e9))
    return details(BadRequest(), RetryInfo(retry_delay=delay))


@pytest.mark.parametrize("code", [code.name for code in grpc.StatusCode if code.name != "OK"])
def test_grpc_codes(code: str) -> None:
    outcome = from_grpc(code, "no", None)
    assert outcome.verdict is (Verdict.RETRY if code in AGAIN else Verdict.REFUSED)
    assert outcome.message == f"{code}: no"


def test_exhausted_is_tried_again_only_when_told_when() -> None:
    outcome = from_grpc("RESOURCE_EXHAUSTED", "", after(2.5))
    assert (outcome.verdict, outcome.delay_s) == (Verdict.RETRY, 2.5)
    assert from_grpc("RESOURCE_EXHAUSTED", "", details()).verdict is Verdict.REFUSED


def test_a_told_delay_has_bounds() -> None:
    assert from_grpc("UNAVAILABLE", "", after(1e6)).delay_s == TOLD_DELAY_S_MAX
    assert from_grpc("UNAVAILABLE", "", after(-5)).delay_s == 0
    assert from_grpc("UNAVAILABLE", "", b"\xff\xff").delay_s is None


@pytest.mark.parametrize(
    "status", [300, 400, 401, 403, 404, 408, 413, 429, 500, 501, 502, 503, 504]
)
def test_http_statuses(status: int) -> None:
    again = status in {429, 502, 503, 504}
    outcome = from_http(status, "no", None, NOW)
    assert outcome.verdict is (Verdict.RETRY if again else Verdict.REFUSED)
    assert outcome.message == f"HTTP status {status}: no"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("Fri, 02 Jan 2026 03:04:35 GMT", 30.0),
        ("Fri, 02 Jan 2026 03:00:00 GMT", 0.0),
        ("Fri, 02 Jan 2026 03:04:35 -0000", None),
        ("999999", TOLD_DELAY_S_MAX),
        ("soon", None),
        (None, None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert from_http(503, "", header, NOW).delay_s == seconds


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_partial_success_is_read(spec: Any) -> None:
    answer = spec.response()
    setattr(answer.partial_success, spec.rejected_field, 3)
    answer.partial_success.error_message = "three were bad"
    outcome = accepted(spec, answer.SerializeToString())
    assert (outcome.verdict, outcome.rejected) == (Verdict.DELIVERED, 3)
    assert outcome.message == "three were bad"


def test_a_success_with_an_unreadable_body_is_a_success() -> None:
    assert accepted(TRACES, b"\xff\xffok").rejected == 0
    assert accepted(LOGS, b"").verdict is Verdict.DELIVERED
