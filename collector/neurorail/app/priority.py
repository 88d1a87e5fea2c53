"""Who gets the processor first when there is not enough of it: taking in before catching up."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import Final

BACKGROUND_NICE: Final = 10
"""For what may wait a little: inserts and merges in the embedded store."""


def step_back(nice: int = BACKGROUND_NICE) -> None:
    """Lower the priority of the calling thread, and of threads that it starts (Linux only).

    For threads made for the purpose alone: it cannot be taken back.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
