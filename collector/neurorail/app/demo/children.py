"""Child processes that never outlive their parent.

A child is started in a session of its own, so that Ctrl-C reaches the parent alone, and reads its
standard input: when the parent ends, however it ends, the pipe closes and the child stops.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Final

STOP_S: Final = 10.0
"""A child that does not stop for so long is killed."""


def stop_with_parent() -> None:
    """In a child: send SIGTERM to this process when the parent closes our standard input."""

    def wait() -> None:
        # The descriptor is read without buffers: they are torn down before this thread is.
        with suppress(OSError):
            while os.read(0, 4_096):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()


class Child:
    """One process. `stop` may be called at any time, and twice."""

    def __init__(
        self,
        name: str,
        arguments: list[str],
        environment: Mapping[str, str] | None = None,
        stderr: IO[bytes] | None = None,
    ) -> None:
        """Start `python ARGUMENTS` with `environment` added to ours."""
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll()

    def line(self) -> str:
        """The next line of its output, without the line end; empty when it ended."""
        assert self._process.stdout is not None, "the output is a pipe"
        return self._process.stdout.readline().decode("utf-8", "replace").rstrip("\n")

    def ask_to_stop(self) -> None:
        """Close its input and send SIGTERM, without waiting."""
        with suppress(OSError, ValueError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        if self.status() is None:
            with suppress(ProcessLookupError):
                self._process.terminate()

    def stop(self) -> int:
        """Make it end; kill it when it does not. The exit status."""
        self.ask_to_stop()
        try:
            status = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return status
