"""A process that the server started lives as long as the server does."""

from __future__ import annotations

import ctypes
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def end_with_the_server() -> None:
    """Let the kernel end this process with the thread that started it (Linux only).

    Whoever was started by a server that has gone meanwhile has to look for itself.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
