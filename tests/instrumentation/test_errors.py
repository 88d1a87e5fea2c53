from __future__ import annotations

import json
import logging
import pickle

import pytest

from neurorail.instrumentation.errors import (
    NeuroRailError,
    NeuroRailFailed,
    NeuroRailRefused,
    error_code,
)
from neurorail.instrumentation.safety import Safely, tell_once


class APIConnectionError(Exception):
    """Named as OpenAI's and Anthropic's."""


class Coded(Exception):
    code = "NR-E201"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NeuroRailError("NR-E002", "spent"), "NR-E002"),
        (Coded(), "NR-E201"),
        (APIConnectionError(), "NR-E004"),
        (json.JSONDecodeError("bad", "", 0), "NR-E005"),
        (TypeError(), ""),
    ],
)
def test_codes_of_exceptions(error: Exception, code: str) -> None:
    assert error_code(error) == code


def test_exceptions_travel_between_processes() -> None:
    error = NeuroRailRefused(
        "NR-E010", "too fast", rule="r", scope="s", retry_after_ms=5, cancelled=True
    )
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (NeuroRailRefused, "too fast (NR-E010)")
    assert vars(again) == vars(error)
    failed = pickle.loads(pickle.dumps(NeuroRailFailed("NR-E003", "over", attempts=3)))
    assert (failed.attempts, failed.retriable, failed.category) == (3, False, "MECHANICAL")


def test_own_mistakes_stay_inside(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    with caplog.at_level(logging.WARNING, "neurorail"):
        for _ in range(2):
            with Safely("trying what fails"):
                raise LookupError("lost")
    assert len(caplog.records) == 1
    assert "trying what fails failed" in caplog.text
    with pytest.raises(NeuroRailError), Safely("refusing"):
        raise NeuroRailError("NR-E002", "spent")
    with pytest.raises(KeyboardInterrupt), Safely("being interrupted"):
        raise KeyboardInterrupt


def test_under_pytest_nothing_is_hidden() -> None:
    with pytest.raises(LookupError), Safely("trying"):
        raise LookupError
    tell_once("saying it", LookupError())
    tell_once("saying it", LookupError())
