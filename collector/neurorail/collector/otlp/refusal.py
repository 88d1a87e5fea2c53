"""Refusals as values: what a client is told, and whether trying again can help.

The codes are gRPC's; which of them are retryable, and the HTTP status each becomes, is the
table of the OTLP specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final


class Code(IntEnum):
    """gRPC status codes."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


RETRYABLE: Final = frozenset(
    {
        Code.CANCELLED,
        Code.DEADLINE_EXCEEDED,
        Code.ABORTED,
        Code.OUT_OF_RANGE,
        Code.UNAVAILABLE,
        Code.DATA_LOSS,
    }
)
"""Codes after which an OTLP client may send again; RESOURCE_EXHAUSTED only with a retry delay."""

HTTP_RETRYABLE: Final = frozenset({429, 502, 503, 504})

_HTTP_STATUS: Final[Mapping[Code, int]] = MappingProxyType(
    {
        **dict.fromkeys(RETRYABLE, 503),
        Code.RESOURCE_EXHAUSTED: 429,
        Code.INVALID_ARGUMENT: 400,
        Code.UNAUTHENTICATED: 401,
        Code.PERMISSION_DENIED: 403,
        Code.NOT_FOUND: 404,
        Code.UNIMPLEMENTED: 404,
    }
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was not taken. Nothing of it was stored."""

    code: Code
    message: str
    retry_delay_s: float | None = None
    """When to try again; makes RESOURCE_EXHAUSTED retryable."""
    field: str = ""
    """For bad data: which part of the request is at fault."""
    status: int | None = None
    """An HTTP status that says more than the one that follows from `code`."""

    @property
    def retryable(self) -> bool:
        """Whether an OTLP client may send the same request again."""
        if self.code is Code.RESOURCE_EXHAUSTED:
            return self.retry_delay_s is not None
        return self.code in RETRYABLE

    @property
    def http_status(self) -> int:
        """The HTTP status; 429, 502, 503 and 504 exactly when retryable."""
        if self.status is not None:
            return self.status
        if self.code is Code.RESOURCE_EXHAUSTED and self.retry_delay_s is None:
            return 413
        return _HTTP_STATUS.get(self.code, 500)


def bad_data(message: str, field: str = "") -> Refusal:
    """The request can never be taken as it is."""
    return Refusal(Code.INVALID_ARGUMENT, message, field=field)


def too_large(what: str, limit_bytes: int) -> Refusal:
    """The request is over the size limit, and would be again."""
    return Refusal(
        Code.RESOURCE_EXHAUSTED,
        f"{what} is larger than {limit_bytes} bytes; send smaller batches or raise"
        " otlp.max_request_bytes",
    )


def unavailable(message: str, retry_delay_s: float) -> Refusal:
    """The server cannot take the request now; nothing is wrong with it."""
    return Refusal(Code.UNAVAILABLE, message, retry_delay_s=retry_delay_s)
