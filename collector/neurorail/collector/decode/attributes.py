"""One pass over the attributes of a span, event, log record or resource."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from neurorail.collector.decode.identity import IdReader
from neurorail.collector.decode.keys import KeyTable
from neurorail.collector.decode.values import name, read, text
from neurorail.rules.observations import Ids
from neurorail.semconv import attributes as names

TAG_MARKER: Final = names.TAG_PREFIX.encode()
"""Without these bytes there is no tag."""
_TAG_SIZE: Final = len(names.TAG_PREFIX)
TAGS_MAX: Final = 64
TAG_KEY_MAX: Final = 64
TAG_VALUE_MAX: Final = 256


def scan(attributes: Any, table: KeyTable) -> dict[int, bytes]:
    """The attributes that have a slot, by slot.

    Args:
        attributes: An attribute map of `wire`, from key to value bytes.
        table: The lookup.
    """
    slots = table.slots
    return {slots[key]: attributes[key] for key in table.wanted.intersection(attributes)}


def chain_ids(found: dict[int, bytes], reader: IdReader) -> Ids:
    """The chain ids among scanned attributes."""
    get = found.get
    return reader.read((get(0), get(1), get(2), get(3), get(4)))


def read_name(found: dict[int, bytes], slot: int) -> str | None:
    """The short text in a slot."""
    attribute = found.get(slot)
    return None if attribute is None else name(attribute)


def read_text(found: dict[int, bytes], slot: int, length_max: int) -> str | None:
    """The text in a slot."""
    attribute = found.get(slot)
    return None if attribute is None else text(read(attribute), length_max)


def read_tags(attributes: Any, stats: Counter[str]) -> tuple[tuple[str, str], ...]:
    """The `neurorail.tag.*` attributes, sorted by key; at most `TAGS_MAX`, the first by key."""
    values: dict[str, str] = {}
    for attribute in attributes:
        if not attribute.startswith(names.TAG_PREFIX):
            continue
        key = attribute[_TAG_SIZE:]
        value = text(read(attributes[attribute]), TAG_VALUE_MAX + 1)
        if not key or len(key) > TAG_KEY_MAX or value is None:
            stats["bad_tag"] += 1
            continue
        if len(value) > TAG_VALUE_MAX:
            stats["tag_cut"] += 1
        values[key] = value[:TAG_VALUE_MAX]
    if len(values) > TAGS_MAX:
        stats["tags_dropped"] += len(values) - TAGS_MAX
    return tuple(sorted(values.items())[:TAGS_MAX])


def own_tags(attributes: Any, table: KeyTable) -> dict[str, str]:
    """The tags among attributes that the manifest names as such."""
    found: dict[str, str] = {}
    for attribute, key in table.tags.items():
        if attribute in attributes:
            value = text(read(attributes[attribute]), TAG_VALUE_MAX)
            if value is not None:
                found[key] = value
    return found


def all_tags(
    attributes: Any,
    raw: bytes,
    table: KeyTable,
    resource_tags: Mapping[str, str],
    stats: Counter[str],
) -> tuple[tuple[str, str], ...]:
    """The tags of a span, event or log record: its own names first, then what the manifest maps."""
    stated = read_tags(attributes, stats) if TAG_MARKER in raw else ()
    if not table.tags:
        return stated
    tags = {**resource_tags, **own_tags(attributes, table), **dict(stated)}
    return tuple(sorted(tags.items())[:TAGS_MAX])
