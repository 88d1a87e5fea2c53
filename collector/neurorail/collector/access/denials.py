"""What was denied: every denial counted, repetitions of one coalesced into few records.

The first denial of a kind becomes a record at once. The same again (caller, reason, operation,
address) is counted, and told in one record when its window is over.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from neurorail.collector.access.verdicts import MISSING, REASONS, UNKNOWN, Denial
from neurorail.collector.decode.system import NotedRecord, encode_system
from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.inbox.errors import InboxError

WINDOW_S: Final = 60.0
WINDOWS_MAX: Final = 1_000
"""Kinds of denial followed at once; further ones share one window."""
_OTHER: Final = "(several)"
_LOG: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class _Window:
    denial: Denial
    operation: str
    address: str
    began_s: float
    waiting: int = 0


class DenialLog:
    """Counts and records denials. Thread-safe; blocks on nothing."""

    def __init__(
        self, append: Callable[[list[Submission]], object], monotonic_s: Callable[[], float]
    ) -> None:
        """`append` hands records to the inbox, and may raise `InboxError`."""
        self._append = append
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, ...], _Window] = {}
        self._counts: Counter[str] = Counter(dict.fromkeys(REASONS, 0))
        self.unrecorded = 0
        """Records of denials that the inbox did not take."""

    def counts(self) -> dict[str, int]:
        """Denials since the start, by reason."""
        with self._lock:
            return dict(self._counts)

    def note(self, denial: Denial, operation: str, address: str) -> None:
        """Take note of one denial.

        Args:
            denial: who was denied what.
            operation: the route or signal, never what a client chose freely.
            address: where the request came from.
        """
        now_s = self._monotonic_s()
        # Who is not known says nothing: a key that was made up must not make a record each time.
        known = denial.principal if denial.reason not in (MISSING, UNKNOWN) else ""
        key: tuple[str, ...] = (denial.reason, known, denial.tenant, operation, address)
        with self._lock:
            self._counts[denial.reason] += 1
            window = self._windows.get(key)
            if window is None and len(self._windows) >= WINDOWS_MAX:
                key = (denial.reason, _OTHER)
                denial = Denial(denial.reason, denial.detail, _OTHER)
                operation = address = _OTHER
                window = self._windows.get(key)
            if window is not None:
                window.waiting += 1
                return
            self._windows[key] = _Window(denial, operation, address, now_s)
        self._record(denial, operation, address, 1)

    def settle(self, *, everything: bool = False) -> None:
        """Record what windows that are over have counted; call it about once a second."""
        now_s = self._monotonic_s()
        told: list[_Window] = []
        with self._lock:
            for key, window in list(self._windows.items()):
                if everything or now_s - window.began_s >= WINDOW_S:
                    if window.waiting:
                        told.append(window)
                    del self._windows[key]
        for window in told:
            self._record(window.denial, window.operation, window.address, window.waiting)

    def _record(self, denial: Denial, operation: str, address: str, count: int) -> None:
        noted = NotedRecord(
            "access_denied",
            {
                "reason": denial.reason,
                "permission": denial.permission or None,
                "operation": operation,
                "address": address,
                "count": count,
            },
            f"{denial.detail} ({operation})",
            "warning",
        )
        record = Submission(
            Kind.SYSTEM,
            Signal.NONE,
            encode_system(noted),
            denial.tenant,
            denial.principal or "unknown",
            encoding="json",
        )
        try:
            self._append([record])
        except InboxError as error:
            self.unrecorded += 1
            _LOG.error("a denial could not be put on record: %s", error)
