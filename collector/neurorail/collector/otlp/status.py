"""Answers on the wire: google.rpc.Status for refusals, Export…Response for the rest."""

from __future__ import annotations

import math
from enum import Enum
from typing import Final

import msgspec
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import (  # type: ignore[import-untyped]
    BadRequest,
    RetryInfo,
)
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from neurorail.collector.otlp.refusal import Code, Refusal
from neurorail.collector.otlp.signals import SignalSpec

_TYPE_PREFIX: Final = "type.googleapis.com/google.rpc."
MAX_MESSAGE_CHARS: Final = 1_000
"""Longer messages are cut, so that an answer stays far below the 4 MiB a client must read."""


class Encoding(Enum):
    """How a request and its answer are encoded."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


def status_message(refusal: Refusal) -> Status:
    """The google.rpc.Status of a refusal, with RetryInfo or BadRequest where they apply."""
    status = Status(code=int(refusal.code), message=refusal.message[:MAX_MESSAGE_CHARS])
    if refusal.retryable and refusal.retry_delay_s is not None:
        delay = Duration()
        delay.FromNanoseconds(round(refusal.retry_delay_s * 1e9))
        status.details.append(_any("RetryInfo", RetryInfo(retry_delay=delay)))
    if refusal.code is Code.INVALID_ARGUMENT:
        violation = BadRequest.FieldViolation(
            field=refusal.field or "body", description=refusal.message[:MAX_MESSAGE_CHARS]
        )
        status.details.append(_any("BadRequest", BadRequest(field_violations=[violation])))
    return status


def status_details(refusal: Refusal) -> bytes:
    """The details of that message alone, encoded: what follows code and message."""
    details: bytes = Status(details=status_message(refusal).details).SerializeToString()
    return details


def _any(name: str, message: RetryInfo | BadRequest) -> AnyMessage:
    return AnyMessage(type_url=_TYPE_PREFIX + name, value=message.SerializeToString())


def refusal_body(refusal: Refusal, encoding: Encoding) -> bytes:
    """The body of a 4xx or 5xx answer."""
    if encoding is Encoding.PROTOBUF:
        body: bytes = status_message(refusal).SerializeToString()
        return body
    message = refusal.message[:MAX_MESSAGE_CHARS]
    details: list[dict[str, object]] = []
    if refusal.retryable and refusal.retry_delay_s is not None:
        details.append(
            {"@type": _TYPE_PREFIX + "RetryInfo", "retryDelay": f"{refusal.retry_delay_s:.9f}s"}
        )
    if refusal.code is Code.INVALID_ARGUMENT:
        violation = {"field": refusal.field or "body", "description": message}
        details.append({"@type": _TYPE_PREFIX + "BadRequest", "fieldViolations": [violation]})
    return msgspec.json.encode({"code": int(refusal.code), "message": message, "details": details})


def retry_after_s(refusal: Refusal) -> int | None:
    """The value of `Retry-After`: whole seconds, at least one; None when there is none to give."""
    if not refusal.retryable or refusal.retry_delay_s is None:
        return None
    return max(1, math.ceil(refusal.retry_delay_s))


def success_body(spec: SignalSpec, encoding: Encoding, rejected: int, message: str) -> bytes:
    """The body of an OK answer. Without rejections and message, `partial_success` is unset."""
    message = message[:MAX_MESSAGE_CHARS]
    if not rejected and not message:
        return b"" if encoding is Encoding.PROTOBUF else b"{}"
    if encoding is Encoding.JSON:
        partial: dict[str, object] = {"errorMessage": message}
        if rejected:
            # 64-bit numbers are strings in protobuf's JSON.
            partial[_camel(spec.rejected_field)] = str(rejected)
        return msgspec.json.encode({"partialSuccess": partial})
    response = spec.response()
    setattr(response.partial_success, spec.rejected_field, rejected)
    response.partial_success.error_message = message
    body: bytes = response.SerializeToString()
    return body


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)
