"""An agent that goes on to announce itself, as agents do: one that falls silent is forgotten."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

EVERY_S = 5


@contextmanager
def announcing(api: str, **said: Any) -> Iterator[None]:
    """An agent that is connected inside the context, however long that takes.

    Args:
        api: address of the API.
        said: what the agent says of itself.
    """
    over = threading.Event()

    def announce() -> None:
        answer = httpx2.post(f"{api}/api/neurorail/v1/agents", json=said, timeout=60)
        assert answer.status_code in (200, 201), answer.text

    def go_on() -> None:
        while not over.wait(EVERY_S):
            announce()

    announce()
    thread = threading.Thread(target=go_on, name="agent")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
