"""Tells the server what reservations were used for, at once but on a thread of its own."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any, Final

from neurorail.client import ClientError
from neurorail.instrumentation.gate.connection import Connection
from neurorail.instrumentation.safety import tell_once

REPORTS_MAX: Final = 10_000
"""Reports that wait. Beyond it they are dropped and counted: spans report usage too, and the
server frees what nobody settles when its lease is over."""
TRIES: Final = 3
PATH: Final = "/api/governor/v1/reservations"


class Settling:
    """A queue and a thread that begins with the first report."""

    def __init__(self, connection: Connection) -> None:
        self.dropped = 0
        self._connection = connection
        self.begin_anew()

    def begin_anew(self) -> None:
        """Begin with nothing, also in a forked child."""
        self._reports: queue.Queue[tuple[str, dict[str, Any]] | None] = queue.Queue(REPORTS_MAX)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def reconcile(self, reservation_id: str, body: dict[str, Any]) -> None:
        """Report what was used."""
        self._put((f"{PATH}/{reservation_id}/reconcile", body))

    def release(self, reservation_id: str) -> None:
        """Report that nothing was used."""
        self._put((f"{PATH}/{reservation_id}/release", {}))

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until all is reported; False if it took too long."""
        ends = time.monotonic() + timeout_s
        with self._reports.all_tasks_done:
            while self._reports.unfinished_tasks:
                left = ends - time.monotonic()
                if left <= 0 or not self._reports.all_tasks_done.wait(left):
                    return False
        return True

    def stop(self, timeout_s: float = 5.0) -> None:
        """Report what waits, and end the thread."""
        self.flush(timeout_s)
        thread, self._thread = self._thread, None
        if thread is not None:
            self._put(None)
            thread.join(timeout_s)

    def _put(self, report: tuple[str, dict[str, Any]] | None) -> None:
        try:
            self._reports.put_nowait(report)
        except queue.Full:
            self.dropped += 1
            return
        if self._thread is None and report is not None:
            self._start()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(
                    target=self._work, args=(self._reports,), name="neurorail-settle", daemon=True
                )
                self._thread = thread
                thread.start()

    def _work(self, reports: queue.Queue[tuple[str, dict[str, Any]] | None]) -> None:
        while True:
            report = reports.get()
            try:
                if report is None:
                    return
                self._send(*report)
            finally:
                reports.task_done()

    def _send(self, path: str, body: dict[str, Any]) -> None:
        for _ in range(TRIES):
            try:
                self._connection.post(path, body)
            except ClientError as error:
                tell_once("settling a reservation", error)
            else:
                return
