"""Processes that the server starts for a part of its own work."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def launch(module: str, theirs: socket.socket) -> subprocess.Popen[bytes]:
    """Start `python -m MODULE FD PARENT` with one end of a socket pair, without waiting for it.

    Call it on the main thread: the kernel ends the process with the thread that started it.
    """
    with _without_stop_signals():
        return subprocess.Popen(
            [sys.executable, "-m", module, str(theirs.fileno()), str(os.getpid())],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )


def how_it_ended(status: int) -> str:
    """What the status of a process says."""
    if status < 0:
        names = {each.value: each.name for each in signal.Signals}
        return f"was killed by {names.get(-status, f'signal {-status}')}"
    return f"ended with status {status}"


@contextlib.contextmanager
def _without_stop_signals() -> Iterator[None]:
    """A process started meanwhile is deaf to a Ctrl-C from its first instruction on."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
