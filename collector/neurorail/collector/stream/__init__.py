"""The live stream: events as they leave the engine, fanned out to many subscribers."""

from neurorail.collector.stream.config import StreamConfig
from neurorail.collector.stream.event import EventLine, Position, StreamEvent, decode_lines
from neurorail.collector.stream.filters import StreamFilter
from neurorail.collector.stream.hub import (
    HubClosed,
    HubFull,
    HubStats,
    ReplaySource,
    StreamHub,
)
from neurorail.collector.stream.subscription import Subscription

__all__ = [
    "EventLine",
    "HubClosed",
    "HubFull",
    "HubStats",
    "Position",
    "ReplaySource",
    "StreamConfig",
    "StreamEvent",
    "StreamFilter",
    "StreamHub",
    "Subscription",
    "decode_lines",
]
