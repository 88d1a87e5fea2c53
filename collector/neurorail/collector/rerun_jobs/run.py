"""Runs one job in a process of its own, and reads history for it. Blocks; for a thread."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final

from neurorail.collector.rerun.stored import Rows
from neurorail.collector.rerun_jobs import messages
from neurorail.collector.store.errors import StoreError

MODULE: Final = "neurorail.collector.rerun_jobs.child"


class RunFailed(Exception):
    """There is no report; the message says why."""


class Run:
    """One run of one task.

    Args:
        task: what is to be done.
        rows: where its queries are answered from.
        time_max_s: how long it may take.
        moved: told how far it is, on the thread that runs it.
    """

    def __init__(
        self,
        task: messages.Task,
        rows: Rows,
        time_max_s: float,
        moved: Callable[[int, int], None],
    ) -> None:
        self._task = task
        self._rows = rows
        self._time_max_s = time_max_s
        self._moved = moved
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ended_because = ""

    def report(self) -> bytes:
        """Do it, and give the report as JSON.

        Raises:
            RunFailed: it was ended, or cannot be done.
        """
        server, process = self._launch()
        late = threading.Timer(
            self._time_max_s, self.end, [f"it took longer than {self._time_max_s:g} s"]
        )
        late.start()
        try:
            server.send(self._task)
            return self._serve(server)
        except (EOFError, OSError):
            process.wait()
            why = self._ended_because or f"its process ended with status {process.returncode}"
            raise RunFailed(why) from None
        finally:
            late.cancel()
            late.join()
            process.kill()
            process.wait()
            server.close()

    def end(self, because: str) -> None:
        """End it; any thread may."""
        with self._lock:
            self._ended_because = self._ended_because or because
            if self._process is not None:
                self._process.kill()

    def _launch(self) -> tuple[messages.ServerEnd, subprocess.Popen[bytes]]:
        ours, theirs = socket.socketpair()
        with self._lock, theirs:
            if self._ended_because:
                ours.close()
                raise RunFailed(self._ended_because)
            process = self._process = subprocess.Popen(
                [sys.executable, "-m", MODULE, str(theirs.fileno()), str(os.getpid())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                # What a terminal sends to its group is meant for the server.
                start_new_session=True,
            )
        return messages.ServerEnd(Connection(ours.detach())), process

    def _serve(self, server: messages.ServerEnd) -> bytes:
        while True:
            message = server.receive()
            match message:
                case messages.Query(sql, parameters):
                    # A process that does not take the answer may have said why.
                    with contextlib.suppress(OSError):
                        server.send(self._answer(sql, parameters))
                case messages.Moved(done, total):
                    self._moved(done, total)
                case messages.Ended(report):
                    return report
                case messages.Failed(error):
                    raise RunFailed(error)

    def _answer(self, sql: str, parameters: dict[str, object]) -> messages.ToChild:
        try:
            return messages.Rows(list(self._rows.query_rows(sql, parameters)))
        except StoreError as error:
            return messages.Refused(str(error))
