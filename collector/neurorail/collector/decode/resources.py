"""What a resource says that applies to everything below it, remembered by its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from neurorail.collector.decode import keys, wire
from neurorail.collector.decode.attributes import chain_ids, read_name, scan
from neurorail.collector.decode.identity import IdReader
from neurorail.collector.decode.keys import KeyTable
from neurorail.rules.observations import NO_IDS, Ids

RESOURCES_MAX: Final = 4096
"""Resources remembered at a time; the memory is emptied when it is full."""


@dataclass(frozen=True, slots=True)
class ResourceView:
    """The part of a resource that the engine needs."""

    service: str | None = None
    ids: Ids = NO_IDS


class ResourceReader:
    """Reads resources; the same bytes are read once."""

    def __init__(self, ids: IdReader, table: KeyTable) -> None:
        self._ids = ids
        self._table = table
        self._known: dict[bytes, ResourceView] = {}

    def read(self, resource: bytes) -> ResourceView:
        """The view of a serialized `Resource`."""
        known = self._known.get(resource)
        if known is not None:
            return known
        try:
            found = scan(wire.Resource.FromString(resource).attributes, self._table)
        except DecodeError:
            found = {}
        view = ResourceView(read_name(found, keys.SERVICE), chain_ids(found, self._ids))
        if len(self._known) >= RESOURCES_MAX:
            self._known.clear()
        self._known[resource] = view
        return view
