"""What became of a request, and which answers are worth another try.

The tables are those of the OTLP specification. Whatever they do not name is final.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final

from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from neurorail.collector.otlp.signals import SignalSpec

RETRYABLE_HTTP: Final = frozenset({429, 502, 503, 504})
RETRYABLE_GRPC: Final = frozenset(
    {
        "CANCELLED",
        "DEADLINE_EXCEEDED",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNAVAILABLE",
        "DATA_LOSS",
    }
)
"""Besides RESOURCE_EXHAUSTED, if the server says when to try again."""
TOLD_DELAY_S_MAX: Final = 300.0
"""A server that asks for a longer pause gets this one."""
_MESSAGE_CHARS: Final = 300


class Verdict(Enum):
    """What is to be done with a request after its answer."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, read."""

    verdict: Verdict
    message: str = ""
    """What the endpoint said."""
    rejected: int = 0
    """Items of a delivered request that the endpoint did not take."""
    delay_s: float | None = None
    """When the endpoint asks to be tried again; None: it does not say."""


def accepted(spec: SignalSpec, body: bytes) -> Outcome:
    """The outcome of a success, which may be a partial one."""
    try:
        partial = spec.response.FromString(body).partial_success
    except DecodeError:
        return Outcome(Verdict.DELIVERED)  # Success is the status; its body is a courtesy.
    rejected = max(0, int(getattr(partial, spec.rejected_field)))
    return Outcome(Verdict.DELIVERED, partial.error_message[:_MESSAGE_CHARS], rejected)


def from_http(status: int, message: str, retry_after: str | None, now: datetime) -> Outcome:
    """The outcome of an HTTP answer that is no success.

    Args:
        status: of the answer.
        message: what it says.
        retry_after: the header, if there is one.
        now: for a header that names a moment; with a time zone.
    """
    told = f"HTTP status {status}: {message}"[:_MESSAGE_CHARS]
    if status not in RETRYABLE_HTTP:
        return Outcome(Verdict.REFUSED, told)
    return Outcome(Verdict.RETRY, told, delay_s=_seconds(retry_after, now))


def from_grpc(code: str, message: str, details: bytes | None) -> Outcome:
    """The outcome of a failed call.

    Args:
        code: its name, for example `UNAVAILABLE`.
        message: what the endpoint says.
        details: `grpc-status-details-bin`, a `google.rpc.Status`, if there is one.
    """
    told = f"{code}: {message}"[:_MESSAGE_CHARS]
    delay_s = _told_delay_s(details)
    if code in RETRYABLE_GRPC or (code == "RESOURCE_EXHAUSTED" and delay_s is not None):
        return Outcome(Verdict.RETRY, told, delay_s=delay_s)
    return Outcome(Verdict.REFUSED, told)


def _seconds(retry_after: str | None, now: datetime) -> float | None:
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return _bounded(float(retry_after))
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return _bounded((moment - now).total_seconds()) if moment.tzinfo is not None else None


def _told_delay_s(details: bytes | None) -> float | None:
    if details is None:
        return None
    try:
        status = Status.FromString(details)
        for detail in status.details:
            info = RetryInfo()
            if detail.Unpack(info):
                return _bounded(info.retry_delay.ToNanoseconds() / 1e9)
    except (DecodeError, ValueError):
        return None
    return None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), TOLD_DELAY_S_MAX)
