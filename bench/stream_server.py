"""`neurorail serve` that publishes made-up events when told to, and notes when it publishes any."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec

from bench.publisher import Publisher
from neurorail.collector.stream import EventLine, StreamEvent, StreamHub

EPOCH: Final = 1_000
"""Far behind those of a fresh engine."""
DATA: Final = msgspec.json.encode(
    {
        "mission_id": "m_" + "0" * 32,
        "plan_id": "p_" + "0" * 32,
        "job_id": "j_" + "0" * 32,
        "entity_type": "job",
        "entity_id": "j_" + "0" * 32,
        "from_state": "queued",
        "to_state": "running",
        "transition": "start",
        "inferred": False,
    }
)


def _event(node: str, number: int) -> StreamEvent:
    now = time.time_ns()
    mission, plan, job = ("m_" + "0" * 32, "p_" + "0" * 32, "j_" + "0" * 32)
    line = EventLine(
        node, EPOCH, number, 0, "default", now, now, "lifecycle", "state_changed", "lifecycle",
        "info", "", mission, plan, job, "", "", "job", job, "", "", "", "", msgspec.Raw(DATA),
    )  # fmt: skip
    return StreamEvent.of(line)


def main() -> None:
    from neurorail.app.cli import main as run

    sys.argv = ["neurorail", "serve", "--json", *sys.argv[1:]]
    start, publish = StreamHub.start, StreamHub.publish_threadsafe
    publishers: list[Publisher[StreamEvent]] = []

    def started(hub: StreamHub) -> None:
        def make(number: int) -> tuple[str, StreamEvent]:
            event = _event(hub.node, number)
            return event.event_id, event

        start(hub)
        publishers.append(Publisher(make, partial(publish, hub)))
        publishers[0].start()

    def noted(hub: StreamHub, events: Sequence[StreamEvent]) -> None:
        if publishers:
            publishers[0].note([event.event_id for event in events])
        publish(hub, events)

    StreamHub.start = started  # type: ignore[method-assign, assignment]
    StreamHub.publish_threadsafe = noted  # type: ignore[method-assign, assignment]
    run()


if __name__ == "__main__":
    main()
