"""Tells the server that this process is there, and how its gate stands."""

from __future__ import annotations

import os
import platform
import re
import socket
import threading
import uuid
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Final

from neurorail.client import ClientError
from neurorail.instrumentation.gate.connection import Connection
from neurorail.instrumentation.gate.status import GateStatus
from neurorail.instrumentation.safety import tell_once

PATH: Final = "/api/neurorail/v1/agents"
EVERY_S: Final = 10.0
"""How often, until the server says how often it wants it."""
_USUAL_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Announcing:
    """One thread that says so again and again, quietly: nothing depends on it."""

    def __init__(
        self,
        connection: Connection,
        service: str,
        instance_id: str,
        status: Callable[[], GateStatus],
    ) -> None:
        """Prepare.

        Args:
            connection: Where the server is.
            service: `service.name`.
            instance_id: `service.instance.id`; empty for one of our own.
            status: How the gate stands.
        """
        self._connection = connection
        self._service = service
        self._given_id = instance_id if _USUAL_ID.fullmatch(instance_id) else ""
        self._status = status
        self._thread: threading.Thread | None = None
        self.begin_anew()

    def begin_anew(self) -> None:
        """Be somebody new, also in a forked child."""
        running = self._thread is not None
        self._thread = None
        self._stop = threading.Event()
        self.instance_id = self._given_id or uuid.uuid4().hex
        if running:
            self._given_id = ""
            self.instance_id = uuid.uuid4().hex
            self.start()

    def start(self) -> None:
        """Begin."""
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="neurorail-announce", daemon=True)
            self._thread = thread
            thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(timeout=5)

    def body(self) -> dict[str, Any]:
        """What is said."""
        now = self._status()
        return {
            "instance_id": self.instance_id,
            "service": self._service or None,
            "sdk": f"neurorail-python {version('neurorail')}",
            "runtime": f"{platform.python_implementation()} {platform.python_version()}",
            "host": socket.gethostname()[:256],
            "pid": os.getpid(),
            "gate": {
                "mode": None if now.mode == "auto" else now.mode,
                "connected": now.state == "connected",
                "fail": "closed" if now.fail_closed else "open",
                "directives": now.directives,
                "refused": now.refusals,
            },
        }

    def _work(self) -> None:
        stop, every_s = self._stop, EVERY_S
        # Not before the stream is up, most often: then the first word says so.
        stop.wait(0.2)
        while not stop.is_set():
            try:
                answer = self._connection.post(PATH, self.body())
                every_s = max(float(answer.get("heartbeat_ms") or 0) / 1_000, 1.0)
            except ClientError:
                every_s = EVERY_S  # Following says that the server is away.
            except Exception as error:
                tell_once("announcing this process", error)
            stop.wait(every_s)
