"""A whole server as a process of its own, on free ports, with a data directory of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

READY_S = 240
STOP_S = 120
OF_PRODUCT = ("NEURORAIL_", "OTEL_")
OF_COVERAGE = "COVERAGE_"


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A server that is ready. Addresses are as it printed them."""

    process: subprocess.Popen[str]
    otlp_grpc: str
    otlp_http: str
    api: str
    data_dir: Path
    sql: str | None = None

    def kill(self) -> None:
        """What `kill -9` does."""
        self.process.kill()
        self.process.wait()


def child_of(pid: int, module: str) -> psutil.Process:
    """The one child of a process that runs a module."""

    def runs(child: psutil.Process) -> bool:
        # Others may end meanwhile.
        with suppress(psutil.Error):
            return module in child.cmdline()
        return False

    (found,) = filter(runs, psutil.Process(pid).children())
    return found


@contextmanager
def running_server(
    data_dir: Path, *options: str, measured: bool = False, log: Path | None = None
) -> Iterator[ServerProcess]:
    """A server inside the context; it is asked to stop at the end, and must do so cleanly.

    Args:
        data_dir: where it keeps everything.
        options: of the command line.
        measured: whether it counts for the coverage, which makes it half as fast. Those do that
            many tests share.
        log: a file for what it writes to standard error.

    Raises:
        AssertionError: it did not become ready, or did not stop with status 0.
    """
    command = [sys.executable, "-m", "neurorail.app.cli", "serve", "--json"]
    command += ["--data-dir", str(data_dir)]
    for name in ("--otlp-grpc", "--otlp-http", "--api"):
        command += [name, "127.0.0.1:0"]
    left_out = OF_PRODUCT if measured else (*OF_PRODUCT, OF_COVERAGE)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(left_out)
    }
    with tempfile.TemporaryFile("w+") if log is None else log.open("w+") as complaints:
        process = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE, stderr=complaints, text=True, env=environment,
        )  # fmt: skip
        try:
            yield _ready(process, data_dir)
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                assert process.wait(STOP_S) == 0, "the server did not stop cleanly"
        except BaseException:
            complaints.seek(0)
            sys.stderr.write(complaints.read())
            raise
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _ready(process: subprocess.Popen[str], data_dir: Path) -> ServerProcess:
    """Wait for the line that a server prints when it is ready."""
    in_time = threading.Timer(READY_S, process.kill)
    in_time.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
    finally:
        in_time.cancel()
    assert line, "the server ended before it was ready"
    said = json.loads(line)
    return ServerProcess(
        process, said["otlp_grpc"], said["otlp_http"], said["api"], data_dir, said.get("sql")
    )
