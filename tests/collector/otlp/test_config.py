from __future__ import annotations

from typing import Any

import pytest

from neurorail.collector.otlp.config import ReceiverConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_request_bytes": 0}, "max_request_bytes must be at least 1, not 0"),
        ({"max_inflight_requests": 0}, "max_inflight_requests must be at least 1"),
        ({"max_submission_items": -1}, "max_submission_items must be at least 1, not -1"),
        ({"max_inflight_bytes": 5}, "raise it to max_request_bytes"),
        ({"retry_delay_s": -1.0}, "retry_delay_s must not be negative"),
    ],
)
def test_settings_that_cannot_work_are_errors(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReceiverConfig(**settings)


def test_a_request_may_have_64_mib() -> None:
    assert ReceiverConfig().max_request_bytes == 64 * 1024 * 1024
