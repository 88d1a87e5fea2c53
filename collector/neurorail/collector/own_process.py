"""Processes that the server starts for a part of its own work."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

from neurorail.collector.lifeline import end_with_the_server

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


def begin(name: str) -> socket.socket | None:
    """In a process that `launch` started: its end of the pair; None if the server is gone already.

    `name` stands before what it logs.
    """
    descriptor, server = int(sys.argv[1]), int(sys.argv[2])
    end_with_the_server()
    if os.getppid() != server:
        return None
    # The server decides when to stop; a signal to the whole group is meant for it.
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format=f"{name}: %(message)s")
    return socket.socket(fileno=descriptor)


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
