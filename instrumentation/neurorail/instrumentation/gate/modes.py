"""What the manifest said about the mode of attempts and calls like this one, for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Final, TypeAlias

Key: TypeAlias = tuple[tuple[str, str], ...]

KNOWN_MAX: Final = 1_000
"""Kinds of calls whose mode is remembered; beyond it all are forgotten and asked about anew."""
KNOWN_S: Final = 30.0
_NO_KIND: Final = frozenset(
    {"mission_id", "plan_id", "job_id", "attempt_id", "resource_id", "attempt_number", "tag.name"}
)


class Modes:
    """Remembers `direct`, so that not every attempt has to ask. `rail` asks anyway."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[Key, float] = {}
        self._rail: set[Key] = set()

    def is_direct(self, facts: Mapping[str, str]) -> bool:
        """Whether calls of this kind need not ask at the moment."""
        until = self._until.get(_kind(facts))
        return until is not None and time.monotonic() < until

    def is_rail(self, facts: Mapping[str, str]) -> bool:
        """Whether calls of this kind were on the rail when they last asked."""
        return _kind(facts) in self._rail

    def note(self, facts: Mapping[str, str], mode: str) -> None:
        """Remember what an answer said."""
        with self._lock:
            if mode == "direct":
                if len(self._until) >= KNOWN_MAX:
                    self._until.clear()
                self._until[_kind(facts)] = time.monotonic() + KNOWN_S
                self._rail.discard(_kind(facts))
            else:
                if len(self._rail) >= KNOWN_MAX:
                    self._rail.clear()
                self._rail.add(_kind(facts))
                self._until.pop(_kind(facts), None)

    def forget(self) -> None:
        """Another manifest holds, or may hold."""
        with self._lock:
            self._until.clear()
            self._rail.clear()


def _kind(facts: Mapping[str, str]) -> Key:
    return tuple(sorted((name, facts[name]) for name in facts if name not in _NO_KIND))
