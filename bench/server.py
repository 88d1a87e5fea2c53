"""A server in a process of its own, as a user would start it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

import psutil

READY_S: Final = 120.0
STOP_S: Final = 120.0
POLL_S: Final = 0.05
SERVE: Final = (sys.executable, "-m", "neurorail.app.cli", "serve", "--json")
PROFILED: Final = (sys.executable, "-m", "bench.profiled_server")


class NotReady(RuntimeError):
    """The server ended, or did not say in time that it is ready."""


@dataclass(slots=True)
class Server:
    """A running server."""

    process: subprocess.Popen[str]
    otlp_grpc: str
    otlp_http: str
    api: str
    data_dir: Path
    ready_s: float
    """Seconds from the start of the process to the line that says it is ready."""

    def kill(self) -> None:
        """Do what `kill -9` does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ask it to stop, and wait.

        Raises:
            RuntimeError: it did not stop with status 0.
        """
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(STOP_S)
        if status:
            raise RuntimeError(f"the server stopped with status {status}")

    def rss_bytes(self) -> int:
        """Return the resident memory of its processes; pages they share count for each."""
        return sum(int(each.memory_info().rss) for each in self._processes())

    def cpu_s(self) -> float:
        """Return the processor time its processes have used."""
        times = [each.cpu_times() for each in self._processes()]
        return float(sum(each.user + each.system for each in times))

    def _processes(self) -> list[psutil.Process]:
        """Itself, its engine and its gRPC listener."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def metrics(self) -> Mapping[str, float]:
        """Return its metrics, series of one name added up."""
        return scrape(f"{self.api}/metrics")

    def wait_idle(self, timeout_s: float = 600.0) -> Mapping[str, float]:
        """Wait until all that was acknowledged is applied and stored; return the metrics then.

        Raises:
            TimeoutError: something is still open after `timeout_s`.
        """
        ends = time.monotonic() + timeout_s
        while True:
            found = self.metrics()
            if not any(found[name] for name in OPEN_WORK):
                return found
            if time.monotonic() > ends:
                left = {name: found[name] for name in OPEN_WORK}
                raise TimeoutError(f"still open after {timeout_s} s: {left}")
            time.sleep(POLL_S)


OPEN_WORK: Final = (
    "neurorail_engine_lag_records",
    "otelcol_exporter_queue_size",
    "neurorail_engine_outbox_batches",
)
"""Gauges that are 0 when every record is applied and every row is stored."""


def scrape(url: str) -> dict[str, float]:
    """Return the numbers of a Prometheus page by name, series of one name added up."""
    with urlopen(url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found: dict[str, float] = {}
    for line in lines:
        if line and not line.startswith("#"):
            series, _, number = line.rpartition(" ")
            name = series.partition("{")[0]
            found[name] = found.get(name, 0.0) + float(number)
    return found


@contextmanager
def running(
    data_dir: Path,
    options: Sequence[str] = (),
    command: Sequence[str] = SERVE,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Server]:
    """A server on free ports inside the context, stopped at its end unless it is gone by then.

    Of NeuroRail's own variables it sees only those of `environment`.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    addresses = [f"{name}=127.0.0.1:0" for name in ("--otlp-grpc", "--otlp-http", "--api")]
    with (data_dir.parent / f"{data_dir.name}.log").open("a") as log:
        began = time.monotonic()
        process = subprocess.Popen(
            [*command, "--data-dir", str(data_dir), *addresses, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**_environment(), **environment},
        )
        try:
            yield _wait_ready(process, data_dir, began)
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(STOP_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _wait_ready(process: subprocess.Popen[str], data_dir: Path, began: float) -> Server:
    assert process.stdout is not None
    line = process.stdout.readline()
    ready_s = time.monotonic() - began
    if not line:
        raise NotReady(f"the server did not start: see {data_dir}.log")
    said = json.loads(line)
    server = Server(process, said["otlp_grpc"], said["otlp_http"], said["api"], data_dir, ready_s)
    ends = began + READY_S
    while not _answers(f"{server.api}/ready"):
        if time.monotonic() > ends:
            raise NotReady(f"{server.api}/ready is not 200 after {READY_S} s")
        time.sleep(POLL_S)
    server.ready_s = time.monotonic() - began
    return server


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, TimeoutError):
        return False


def _environment() -> dict[str, str]:
    clean = {n: v for n, v in os.environ.items() if not n.startswith(("NEURORAIL_", "OTEL_"))}
    root = Path(__file__).resolve().parent.parent
    folders = [root / name for name in ("instrumentation", "rules", "collector", "api", ".")]
    return {**clean, "PYTHONPATH": os.pathsep.join(map(str, folders))}


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
