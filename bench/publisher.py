"""Publishes events inside a server that is measured, as it is told on standard input.

An order is a line of JSON, the answer another one on standard output. Every publication's id and
time go to a file, from which the readers tell how long each delivery took.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

TICK_S: Final = 0.002
"""Events that are due are published together so often, as an engine publishes groups."""
BURST: Final = 250
"""Events of a group when all are due at once."""

Event = TypeVar("Event")


class Publisher(Generic[Event]):
    """Takes orders in a thread of its own.

    Args:
        make: an event and its id, by its number.
        publish: hands events to the subscribers.
    """

    def __init__(
        self, make: Callable[[int], tuple[str, Event]], publish: Callable[[list[Event]], None]
    ) -> None:
        self._make = make
        self._publish = publish
        self._times: list[tuple[str, int]] = []
        self._number = 0

    def start(self) -> None:
        """Begin to take orders."""
        threading.Thread(target=self._take_orders, name="publisher", daemon=True).start()

    def note(self, ids: Sequence[str]) -> None:
        """Note that events are published now."""
        now = time.time_ns()
        self._times += [(one, now) for one in ids]

    def _take_orders(self) -> None:
        for line in sys.stdin:
            order = json.loads(line)
            time.sleep(order.get("skip_s", 0.0))
            self._times.clear()
            if order["events"]:
                self._steadily(order["events"], order["per_s"])
            else:
                time.sleep(order["seconds"])
            published = list(self._times)
            Path(order["log"]).write_text("".join(f"{one} {at}\n" for one, at in published))
            print(json.dumps({"published": len(published)}), flush=True)

    def _steadily(self, events: int, per_s: float) -> None:
        made = [self._make(self._number + number) for number in range(events)]
        self._number += events
        began, done = time.perf_counter(), 0
        while done < events:
            due = events
            if per_s:
                time.sleep(TICK_S)
                due = min(due, int((time.perf_counter() - began) * per_s))
            group = made[done : min(due, done + BURST)]
            done += len(group)
            if group:
                self.note([one for one, _ in group])
                self._publish([event for _, event in group])
