"""OTLP requests without end, at almost no cost in the generator.

A cycle of requests is built and serialised once. Later turns of the cycle are copies of those
bytes in which mission numbers and times are overwritten, so that every span, trace and mission is
new to the server although nothing is serialised again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import lcm
from typing import Final

import numpy as np
import numpy.typing as npt
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from bench.spans import MARK, mission_spans, ordinary_spans

SHAPES: Final = 16
"""Different missions; the others repeat them."""
_RAW: Final = len(MARK)
_HEX: Final = len(MARK.hex())
_ODD: Final = 0x3779B97F4B

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Template:
    """One request of the cycle, and where in its bytes numbers and times are."""

    body: Bytes
    spans: int
    missions: npt.NDArray[np.int64]
    """Number of each mission in it, as of the first turn."""
    raw_at: Offsets
    raw_mission: Offsets
    hex_at: Offsets
    hex_mission: Offsets
    time_at: Offsets
    times: npt.NDArray[np.int64]
    """Offsets from the beginning of the mission, in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Request:
    """A serialised `ExportTraceServiceRequest`."""

    body: bytes
    spans: int


class Workload:
    """A deterministic stream of requests.

    Args:
        spans_per_request: spans in each request; missions go on in the next one.
        spans_per_mission: spans of each mission.
        seed: of what varies between missions.
        first_mission: number of the first mission, for several generators beside each other.
        ordinary: traces of other services in place of missions, with nothing to govern in them.
    """

    def __init__(
        self,
        spans_per_request: int = 512,
        spans_per_mission: int = 25,
        seed: int = 1,
        first_mission: int = 1,
        *,
        ordinary: bool = False,
    ) -> None:
        self.spans_per_request = spans_per_request
        self.spans_per_mission = spans_per_mission
        cycle_spans = lcm(spans_per_request, spans_per_mission)
        self._missions_per_cycle = cycle_spans // spans_per_mission
        self._first_mission = first_mission
        make = ordinary_spans if ordinary else mission_spans
        shapes = [make(spans_per_mission, seed + n, _BEGIN) for n in range(SHAPES)]
        self._templates = [
            _template(shapes, start, spans_per_request, spans_per_mission)
            for start in range(0, cycle_spans, spans_per_request)
        ]

    def request(self, index: int, now_unix_nano: int) -> Request:
        """Return the request number `index`, whose missions ended about `now_unix_nano`."""
        turn, place = divmod(index, len(self._templates))
        template = self._templates[place]
        numbers = template.missions + (self._first_mission + turn * self._missions_per_cycle)
        body = template.body.copy()
        raw = _marks(numbers)
        _overwrite(body, template.raw_at, raw[template.raw_mission])
        _overwrite(body, template.hex_at, _hex_digits(raw)[template.hex_mission])
        times = (template.times + (now_unix_nano - 1_000_000_000)).astype("<i8")
        _overwrite(body, template.time_at, times.view(np.uint8).reshape(-1, 8))
        return Request(body.tobytes(), template.spans)

    def requests(self, spans: int, now_unix_nano: int) -> Iterator[Request]:
        """Yield requests until `spans` spans, rounded up to whole requests, have been given."""
        for index in range(-(-spans // self.spans_per_request)):
            yield self.request(index, now_unix_nano)


def trace_id(body: bytes) -> str:
    """Return the trace of a request's first span, in hexadecimal digits."""
    found = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans[0]
    return found.trace_id.hex()


_BEGIN: Final = 1_700_000_000_000_000_000
"""When the missions of the templates begin; overwritten."""


def _template(shapes: list[list[Span]], start: int, count: int, size: int) -> _Template:
    """Build the request with spans `start` … `start + count` of the endless row of missions."""
    chosen = [divmod(number, size) for number in range(start, start + count)]
    first = chosen[0][0]
    missions = np.arange(first, chosen[-1][0] + 1)
    spans = [shapes[mission % SHAPES][place] for mission, place in chosen]
    marked = [(mission - first, span) for (mission, _), span in zip(chosen, spans, strict=True)]
    body = _serialise(spans)
    raw_at = _find(body, MARK)
    hex_at = _find(body, MARK.hex().encode())
    raw_mission = [m for m, span in marked for _ in range(span.SerializeToString().count(MARK))]
    hex_mission = [
        m for m, span in marked for _ in range(span.SerializeToString().count(MARK.hex().encode()))
    ]
    time_at, times = _times(body, spans)
    return _Template(
        np.frombuffer(body, np.uint8),
        count,
        missions,
        raw_at,
        np.array(raw_mission, np.intp),
        hex_at,
        np.array(hex_mission, np.intp),
        time_at,
        times,
    )


def _times(body: bytes, spans: list[Span]) -> tuple[Offsets, npt.NDArray[np.int64]]:
    """Where the times are: fixed 64-bit numbers that all share their highest bytes."""
    high = _BEGIN.to_bytes(8, "little")[5:]
    known = {
        moment
        for span in spans
        for moment in (
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            *(event.time_unix_nano for event in span.events),
        )
    }
    found = [
        (at - 5, int.from_bytes(body[at - 5 : at + 3], "little"))
        for at in _find(body, high).tolist()
        if at >= 5 and int.from_bytes(body[at - 5 : at + 3], "little") in known
    ]
    return (
        np.array([at for at, _ in found], np.intp),
        np.array([moment - _BEGIN for _, moment in found], np.int64),
    )


def _serialise(spans: list[Span]) -> bytes:
    resource = Resource(
        attributes=[
            KeyValue(key=key, value=AnyValue(string_value=value))
            for key, value in (
                ("service.name", "research-agent"),
                ("service.instance.id", "bench-1"),
                ("telemetry.sdk.language", "python"),
                ("telemetry.sdk.name", "opentelemetry"),
                ("telemetry.sdk.version", "1.45.2"),
            )
        ]
    )
    scope = InstrumentationScope(name="bench.agent", version="1.0.0")
    scope_spans = ScopeSpans(scope=scope, spans=spans)
    group = ResourceSpans(resource=resource, scope_spans=[scope_spans])
    return ExportTraceServiceRequest(resource_spans=[group]).SerializeToString()


def _find(body: bytes, pattern: bytes) -> Offsets:
    found = []
    at = body.find(pattern)
    while at >= 0:
        found.append(at)
        at = body.find(pattern, at + len(pattern))
    return np.array(found, np.intp)


def _overwrite(body: Bytes, offsets: Offsets, values: Bytes) -> None:
    body[offsets[:, None] + np.arange(values.shape[1])] = values


def _marks(numbers: npt.NDArray[np.int64]) -> Bytes:
    """Return what replaces the mark of each mission: unique, and as random to look at as an id."""
    scrambled = (numbers * _ODD) & ((1 << 8 * _RAW) - 1)
    return scrambled.astype(">i8").view(np.uint8).reshape(-1, 8)[:, 8 - _RAW :]


def _hex_digits(raw: Bytes) -> Bytes:
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    both: Bytes = np.stack([digits[raw >> 4], digits[raw & 15]], axis=-1)
    return both.reshape(len(raw), _HEX)
