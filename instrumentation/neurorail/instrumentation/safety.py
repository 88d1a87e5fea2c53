"""Keeps what goes wrong inside NeuroRail away from the program it runs in."""

from __future__ import annotations

import logging
import os
from types import TracebackType
from typing import Final

from neurorail.instrumentation.errors import NeuroRailError

_log: Final = logging.getLogger("neurorail")
_told: Final[set[tuple[str, type[BaseException]]]] = set()
_TOLD_MAX: Final = 100


ErrorType = type[BaseException] | None


class Safely:
    """A `with` block whose own errors are logged once and go no further.

    What NeuroRail says on purpose, and what is no `Exception`, passes. Under pytest everything
    passes, so that this net hides no mistake from tests.
    """

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        """`doing` is what was tried, for the log."""
        self._doing = doing

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> bool:
        """End; True keeps the error here."""
        if not isinstance(error, Exception) or isinstance(error, NeuroRailError):
            return False
        tell_once(self._doing, error)
        return "PYTEST_CURRENT_TEST" not in os.environ


def tell_once(doing: str, error: BaseException) -> None:
    """Log an error, the first time that this kind happens while doing this."""
    if _is_new((doing, type(error))):
        _log.warning("neurorail: %s failed, the program goes on without it: %r", doing, error)


def say_once(sentence: str) -> None:
    """Log what somebody has to do, once."""
    if _is_new((sentence, UserWarning)):
        _log.warning("neurorail: %s", sentence)


def _is_new(seen: tuple[str, type[BaseException]]) -> bool:
    if seen in _told or len(_told) >= _TOLD_MAX:
        return False
    _told.add(seen)
    return True
