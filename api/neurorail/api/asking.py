"""Asking the archive, with its failures turned into answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from neurorail.api.problems import Problem
from neurorail.collector.history import HistoryUnavailable


@contextmanager
def archive_answers() -> Iterator[None]:
    """Answer 503, retriable, when the archive cannot be asked."""
    try:
        yield
    except HistoryUnavailable as unavailable:
        raise Problem(
            503, "archive-unavailable", str(unavailable), retry_after_s=5
        ) from unavailable
