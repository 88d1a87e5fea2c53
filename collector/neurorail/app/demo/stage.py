"""Starts and stops what the demonstration is made of: server, model and agents."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from neurorail.app.demo.children import Child
from neurorail.app.demo.scenarios import ENGINE, GRPC, Scenario

USUAL_PORTS: Final = {"grpc": 4317, "http": 4318, "api": 8000}
LOG_LINES: Final = 15


class StageError(Exception):
    """A part of the demonstration did not start."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts listen."""

    otlp_grpc: str
    otlp_http: str
    api: str
    model: str


class Stage:
    """Owns the processes and the data directory. `close` ends all, and may be called twice."""

    def __init__(self, data_dir: Path | None, ports: dict[str, int] | None = None) -> None:
        """Without `data_dir` the data lives in a temporary directory that `close` removes."""
        self._work = Path(tempfile.mkdtemp(prefix="neurorail-demo-"))
        self.data_dir = data_dir or self._work / "data"
        self._ports = USUAL_PORTS if ports is None else ports
        self._log = (self._work / "server.log").open("wb")
        self._children: list[Child] = []
        self.server: Child | None = None
        self.addresses: Addresses | None = None

    def open(self) -> Addresses:
        """Start the server and the model.

        Raises:
            StageError: one of them ended before it was ready; says why.
        """
        config = self._work / "neurorail.yaml"
        config.write_text(yaml.safe_dump(self._config()), encoding="utf-8")
        self.server = self._child(
            "server",
            ["-m", "neurorail.app.demo.server", "serve", "--json", "--config", str(config)],
        )
        model = self._child("model", ["-m", "neurorail.app.demo.model_server", "--child"])
        model_address, ready = model.line(), self.server.line()
        if not model_address or not ready:
            raise StageError(f"the server did not start:\n{self.log_tail()}")
        said = json.loads(ready)
        self.addresses = Addresses(said["otlp_grpc"], said["otlp_http"], said["api"], model_address)
        return self.addresses

    def start_agent(self, scenario: Scenario) -> Child:
        """Start one agent."""
        assert self.addresses is not None, "open comes first"
        endpoint = (
            f"http://{self.addresses.otlp_grpc}"
            if scenario.protocol == GRPC
            else self.addresses.otlp_http
        )
        return self._child(
            scenario.name,
            ["-m", scenario.module],
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                "OTEL_EXPORTER_OTLP_PROTOCOL": scenario.protocol,
                "OTEL_SERVICE_NAME": scenario.name,
                "NEURORAIL_ENDPOINT": self.addresses.api,
                # The agents open missions of their own.
                "NEURORAIL_PROCESS_MISSION": "false",
                # Sooner than by default, so that one can watch.
                "OTEL_BSP_SCHEDULE_DELAY": "400",
                "OTEL_BLRP_SCHEDULE_DELAY": "100",
                "OPENAI_BASE_URL": self.addresses.model,
                "OPENAI_API_KEY": scenario.name,
                "NO_PROXY": "127.0.0.1,localhost",
            },
        )

    def log_tail(self) -> str:
        """The last lines the server and the agents wrote on standard error."""
        text = (self._work / "server.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-LOG_LINES:])

    def close(self) -> None:
        """Stop agents first and the server last, and remove temporary files."""
        for child in self._children:
            if child is not self.server:
                child.ask_to_stop()
        for child in reversed(self._children):
            child.stop()
        self._children.clear()
        self._log.close()
        with suppress(OSError):
            shutil.rmtree(self._work)

    def _child(
        self, name: str, arguments: list[str], environment: dict[str, str] | None = None
    ) -> Child:
        # A child finds the same packages as we do, also when we were not started from an install.
        paths = os.pathsep.join(entry for entry in sys.path if entry)
        child = Child(name, arguments, {"PYTHONPATH": paths, **(environment or {})}, self._log)
        self._children.append(child)
        return child

    def _config(self) -> dict[str, object]:
        addresses = {name: f"127.0.0.1:{_usable(port)}" for name, port in self._ports.items()}
        return {
            "data_dir": str(self.data_dir),
            "otlp": {
                "grpc": {"address": addresses["grpc"]},
                "http": {"address": addresses["http"]},
            },
            "api": {"address": addresses["api"]},
            "engine": dict(ENGINE),
            "log": {"level": "warning"},
        }


def _usable(port: int) -> int:
    """The port when nobody has it, else 0: any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port
