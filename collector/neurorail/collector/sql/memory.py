"""Ends queries whose results fill the memory of the process before anybody can measure them.

The engine's limits count what a query computes with, and the columns of its result. What these
become as text it does not count: a value that is the same in a million rows is one value until it
is formatted. So the process is looked at from outside while queries run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from neurorail.collector.store.cancelling import Mark

INTERVAL_S: Final = 0.05


class MemoryWatch:
    """Calls `end` for queries since whose beginning the process grew by more than it may.

    A thread looks while anything runs. Safe to use from any thread.
    """

    def __init__(self, most_bytes: int, rss_bytes: Callable[[], int]) -> None:
        """Args: `most_bytes`: growth since a query began. `rss_bytes`: what the process holds."""
        self._most_bytes = most_bytes
        self._rss_bytes = rss_bytes
        self._running: dict[Mark, tuple[int, Callable[[], None]]] = {}
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._look, name="sql-memory", daemon=True)
        self._thread.start()

    def begin(self, mark: Mark, end: Callable[[], None]) -> None:
        """A query begins; `end` ends it, and returns at once."""
        with self._changed:
            self._running[mark] = (self._rss_bytes(), end)
            self._changed.notify()

    def ended(self, mark: Mark) -> bool:
        """A query ended. Gives whether it was ended from here."""
        with self._changed:
            return self._running.pop(mark, None) is None

    def stop(self) -> None:
        """Look no more."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def _look(self) -> None:
        with self._changed:
            while not self._stopped:
                self._changed.wait(INTERVAL_S if self._running else None)
                now = self._rss_bytes() if self._running else 0
                for mark, (before, end) in list(self._running.items()):
                    if now - before > self._most_bytes:
                        del self._running[mark]
                        end()
