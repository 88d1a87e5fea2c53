from __future__ import annotations

import pytest

from neurorail.collector.otlp.refusal import (
    HTTP_RETRYABLE,
    Code,
    Refusal,
    bad_data,
    too_large,
    unavailable,
)

# Code, retryable without a delay, HTTP status: the table of the OTLP specification, with the
# HTTP statuses that the OpenTelemetry Collector gives them.
TABLE = [
    (Code.CANCELLED, True, 503),
    (Code.UNKNOWN, False, 500),
    (Code.INVALID_ARGUMENT, False, 400),
    (Code.DEADLINE_EXCEEDED, True, 503),
    (Code.NOT_FOUND, False, 404),
    (Code.ALREADY_EXISTS, False, 500),
    (Code.PERMISSION_DENIED, False, 403),
    (Code.RESOURCE_EXHAUSTED, False, 413),
    (Code.FAILED_PRECONDITION, False, 500),
    (Code.ABORTED, True, 503),
    (Code.OUT_OF_RANGE, True, 503),
    (Code.UNIMPLEMENTED, False, 404),
    (Code.INTERNAL, False, 500),
    (Code.UNAVAILABLE, True, 503),
    (Code.DATA_LOSS, True, 503),
    (Code.UNAUTHENTICATED, False, 401),
]


@pytest.mark.parametrize(("code", "retryable", "status"), TABLE)
def test_each_code_is_retryable_as_the_specification_says(
    code: Code, retryable: bool, status: int
) -> None:
    refusal = Refusal(code, "why")

    assert (refusal.retryable, refusal.http_status) == (retryable, status)
    assert (status in HTTP_RETRYABLE) == retryable


def test_the_table_names_every_code_but_ok() -> None:
    assert {code for code, _, _ in TABLE} == set(Code) - {Code.OK}


def test_resource_exhausted_is_retryable_only_with_a_delay() -> None:
    refusal = Refusal(Code.RESOURCE_EXHAUSTED, "quota", retry_delay_s=2)

    assert (refusal.retryable, refusal.http_status) == (True, 429)


def test_a_delay_does_not_make_bad_data_retryable() -> None:
    assert not Refusal(Code.INVALID_ARGUMENT, "bad", retry_delay_s=1).retryable


def test_the_makers_give_what_their_names_say() -> None:
    assert bad_data("x").code is Code.INVALID_ARGUMENT
    assert not too_large("x", 1).retryable
    assert unavailable("x", 1).retryable
    assert Refusal(Code.UNIMPLEMENTED, "x", status=405).http_status == 405
