"""Log records to observations: lifecycle events and heartbeats; every other log is left alone."""

from __future__ import annotations

from collections import Counter
from typing import Final

from google.protobuf.message import DecodeError

from neurorail.collector.decode import keys, wire
from neurorail.collector.decode.attributes import all_tags, read_name, scan
from neurorail.collector.decode.identity import IdReader
from neurorail.collector.decode.keys import KeyTable
from neurorail.collector.decode.resources import ResourceReader
from neurorail.collector.decode.transitions import EVENT_NAMES, TransitionReader
from neurorail.collector.decode.values import INT64_MAX
from neurorail.rules.observations import Observation
from neurorail.semconv import attributes as names

_MARKERS: Final = (names.TRANSITION_EVENT.encode(), names.HEARTBEAT_EVENT.encode())


class LogReader:
    """Reads the log records of logs requests."""

    def __init__(
        self, table: KeyTable, ids: IdReader, transitions: TransitionReader, stats: Counter[str]
    ) -> None:
        self._table = table
        self._transitions = transitions
        self._resources = ResourceReader(ids, table)
        self._stats = stats

    def read(self, body: bytes, received_unix_nano: int) -> list[Observation]:
        """The observations of a logs request, in its order."""
        if not any(marker in body for marker in _MARKERS):
            return []
        observations: list[Observation] = []
        for group in wire.Export.FromString(body).groups:
            resource = self._resources.read(group.resource)
            for scope in group.scopes:
                for raw in scope.items:
                    if any(marker in raw for marker in _MARKERS):
                        try:
                            record = wire.LogRecord.FromString(raw)
                        except DecodeError:
                            self._stats["unreadable_log"] += 1
                            continue
                        found = scan(record.attributes, self._table)
                        name = record.event_name or _named_by_attribute(found)
                        if name not in EVENT_NAMES:
                            continue
                        observations.extend(
                            self._transitions.read(
                                name,
                                found,
                                all_tags(
                                    record.attributes,
                                    raw,
                                    self._table,
                                    resource.tags,
                                    self._stats,
                                ),
                                resource.ids,
                                resource.service,
                                "log",
                                min(record.time or record.observed, INT64_MAX)
                                or received_unix_nano,
                                record.trace_id if len(record.trace_id) == 16 else b"",
                                record.span_id if len(record.span_id) == 8 else b"",
                            )
                        )
        return observations


def _named_by_attribute(found: dict[int, bytes]) -> bytes:
    name = read_name(found, keys.EVENT_NAME_SLOT)
    return b"" if name is None else name.encode()
