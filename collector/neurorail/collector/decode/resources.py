"""What a resource says that applies to everything below it, remembered by its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError

from neurorail.collector.decode import keys, wire
from neurorail.collector.decode.attributes import chain_ids, own_tags, read_name, scan
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
    tags: Mapping[str, str] = field(default_factory=dict)
    """What the manifest maps to tags."""


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
            attributes = wire.Resource.FromString(resource).attributes
        except DecodeError:
            attributes = {}
        found = scan(attributes, self._table)
        tags = own_tags(attributes, self._table)
        view = ResourceView(read_name(found, keys.SERVICE), chain_ids(found, self._ids), tags)
        if len(self._known) >= RESOURCES_MAX:
            self._known.clear()
        self._known[resource] = view
        return view
