"""Looking for garbage without stopping to: what is new is looked at once, a little at a time."""

from __future__ import annotations

import gc
import time
from typing import Final

YOUNG_MAX: Final = 2_500
"""New objects at which they are looked at: about a millisecond."""
PAUSE_S: Final = 0.1
"""Least time between two looks."""


class GarbageWatch:
    """Instead of Python's own looking, for a process that holds an engine.

    The collector of Python looks at what is new when there is much of it, and at everything now
    and then. An engine holds a hundred objects for each mission and makes no cycles of them, so
    that it would find nothing, and keep every event waiting meanwhile: tens of milliseconds for
    what is new, longer with every mission that is known.
    """

    def __init__(self) -> None:
        """Look at what there is for the last time; nothing is looked at by itself from now on."""
        gc.disable()
        gc.collect()
        gc.freeze()
        self._next_look_s = 0.0

    def pass_over(self) -> None:
        """Leave alone what is new, however much of it there is: a restored engine."""
        gc.freeze()

    def look(self) -> None:
        """Look at what is new if there is enough of it and some time passed, else leave it alone.

        When there is very much of it, it is the engine's. Call when nobody waits.
        """
        if gc.get_count()[0] <= YOUNG_MAX:
            return
        now_s = time.monotonic()
        if now_s >= self._next_look_s:
            gc.collect(0)
            self._next_look_s = now_s + PAUSE_S
        gc.freeze()
