"""Every event that a test makes can be written as the server writes it."""

from __future__ import annotations

from collections.abc import Sequence

from neurorail.collector.engine.encoding import Heads, encode_events
from neurorail.collector.envelope import ANONYMOUS, Envelope, Kind, Signal
from neurorail.collector.stream.event import decode_line
from neurorail.rules.events import Event


def written(received: int, tenant: str, events: list[Event]) -> list[Event]:
    """The events, each of which can be written; one that cannot would be told as another type."""
    record = Envelope(
        1, Kind.TELEMETRY, Signal.TRACES, "otlp_proto", received, tenant, ANONYMOUS, 1, b"", 1
    )
    lines: list[bytes] = []
    encode_events("n", 1, record, events, Heads(), lines)
    assert _types(lines) == [event.type for event in events]
    return events


def _types(lines: Sequence[bytes]) -> list[str]:
    return [decode_line(line).event_type for line in lines]
