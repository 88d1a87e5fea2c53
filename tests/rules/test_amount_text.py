from __future__ import annotations

import pytest

from neurorail.rules.amount_text import duration_text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (86_400_000, "1 d"),
        (86_399_999, "23 h 59 min"),
        (1_500, "1 s 500 ms"),
        (3_600_001, "1 h 1 ms"),
    ],
)
def test_times_are_written_with_their_units(ms: int, text: str) -> None:
    assert duration_text(ms) == text
