"""Puts on record what destinations will not get: at most one record a minute for each."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from neurorail.collector.decode.system import NotedRecord, encode_system
from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.export.ports import Loss

INTERVAL_S: Final = 60.0
"""An endpoint that refuses everything must not feed itself with records about it."""

_log = logging.getLogger(__name__)


class Losses:
    """Sums losses by destination and reason. Thread-safe."""

    def __init__(self, submit: Callable[[Submission], None], clock: Callable[[], float]) -> None:
        """Args: `submit` takes a record, `clock` gives seconds of a clock that only grows."""
        self._submit = submit
        self._clock = clock
        self._lock = threading.Lock()
        self._sums: dict[tuple[str, str], tuple[int, str]] = {}
        self._told_s: dict[tuple[str, str], float] = {}

    def add(self, loss: Loss) -> None:
        """Count a loss."""
        key = (loss.destination, loss.reason)
        with self._lock:
            items, _ = self._sums.get(key, (0, ""))
            self._sums[key] = (items + loss.items, loss.error)

    def settle(self, everything: bool = False) -> None:
        """Record what is due, or all of it.

        Raises:
            InboxError: the inbox does not take the record; it is tried again.
        """
        now = self._clock()
        with self._lock:
            due = [
                key
                for key in self._sums
                if everything or now - self._told_s.get(key, -INTERVAL_S) >= INTERVAL_S
            ]
        for key in due:
            with self._lock:
                items, error = self._sums.pop(key)
                self._told_s[key] = now
            destination, reason = key
            message = f"{items} items do not reach the export destination {destination}: {reason}"
            _log.warning("%s (%s)", message, error)
            data = {
                "destination": destination,
                "reason": reason,
                "items": items,
                "error": error[:1_000],
            }
            note = NotedRecord("export_dropped", data, message, "warning")
            self._submit(
                Submission(
                    Kind.SYSTEM,
                    Signal.NONE,
                    encode_system(note),
                    principal="server",
                    encoding="json",
                )
            )
