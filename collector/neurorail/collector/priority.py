"""Who gets the processor first when there is not enough of it: taking in before catching up.

Two things decide on Linux. The nice value says how much of the processor a thread gets beside
others. The slice says for how long it may go on while others wait: since Linux 6.12 a thread that
wakes interrupts one with a longer slice at once, and waits for the end of the slice otherwise,
which is milliseconds. Both are handed on to threads and processes that are started. What a system
does not offer changes nothing but speed, so it is left out there without a word.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import threading
from contextlib import suppress
from typing import Final

BACKGROUND_NICE: Final = 10
"""For what may wait a little: inserts and merges in the embedded store."""
BACKGROUND_SLICE_NS: Final = 20_000_000
"""Long, so that everybody else interrupts it, and it is interrupted by nobody of its kind."""
PROMPT_SLICE_NS: Final = 200_000
"""Short, for what somebody waits for: a few hundred microseconds are a request."""

_SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274}
"""Numbers of the system call, for which the C library has no function."""
_ATTRIBUTES: Final = struct.Struct("=IIQiIQQQ")
"""`sched_attr`, version 0: size, policy, flags, nice, priority, runtime, deadline, period."""
_NORMAL: Final = 0


def step_back(nice: int = BACKGROUND_NICE) -> None:
    """Lower the priority of the calling thread, and of threads that it starts.

    For threads made for the purpose alone: it cannot be taken back.
    """
    _schedule(nice, BACKGROUND_SLICE_NS)


def be_prompt(nice: int = 0) -> None:
    """Let the calling thread, and those that it starts, interrupt what runs in the background.

    Args:
        nice: At least what it is now; more gives it less of the processor, as promptly.
    """
    _schedule(nice, PROMPT_SLICE_NS)


def _schedule(nice: int, slice_ns: int) -> None:
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    # Nobody may take priority back that an operator took away.
    nice = max(nice, os.getpriority(os.PRIO_PROCESS, thread))
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread, nice)
    call = _SCHED_SETATTR.get(platform.machine())
    if call is not None and os.sched_getscheduler(0) == os.SCHED_OTHER:
        attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, _NORMAL, 0, nice, 0, slice_ns, 0, 0)
        ctypes.CDLL(None).syscall(call, thread, attributes, 0)
