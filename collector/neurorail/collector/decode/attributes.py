"""One pass over the attributes of a span, event, log record or resource."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from neurorail.collector.decode.identity import IdReader
from neurorail.collector.decode.values import canonical, read, text
from neurorail.rules.observations import NO_IDS, Ids
from neurorail.semconv import attributes as names

_TAG: Final = names.TAG_PREFIX.encode()
_TAG_SIZE: Final = len(_TAG)
TAGS_MAX: Final = 64
TAG_KEY_MAX: Final = 64
TAG_VALUE_MAX: Final = 256


def scan(attributes: Iterable[bytes], slots: dict[bytes, int]) -> dict[int, bytes]:
    """The attributes that have a slot, by slot; tags under negative slots. The last of a key wins.

    Args:
        attributes: The wire bytes of `KeyValue` messages.
        slots: The lookup of a `KeyTable`.
    """
    found: dict[int, bytes] = {}
    lookup = slots.get
    tags = 0
    for attribute in attributes:
        if not attribute or attribute[0] != 0x0A or len(attribute) < 2:
            attribute = canonical(attribute)
            if not attribute:
                continue
        key = attribute[2 : 2 + attribute[1]]
        slot = lookup(key)
        if slot is not None:
            found[slot] = attribute
        elif key[:_TAG_SIZE] == _TAG:
            tags -= 1
            found[tags] = attribute
    return found


def chain_ids(found: dict[int, bytes], reader: IdReader) -> Ids:
    """The chain ids among scanned attributes."""
    mission = found.get(0)
    plan = found.get(1)
    job = found.get(2)
    attempt = found.get(3)
    resource = found.get(4)
    ids: Ids = (
        None if mission is None else reader.read(0, mission),
        None if plan is None else reader.read(1, plan),
        None if job is None else reader.read(2, job),
        None if attempt is None else reader.read(3, attempt),
        None if resource is None else reader.read(4, resource),
    )
    return NO_IDS if ids == NO_IDS else ids


def read_text(found: dict[int, bytes], slot: int, length_max: int) -> str | None:
    """The text in a slot."""
    attribute = found.get(slot)
    return None if attribute is None else text(read(attribute), length_max)


def tags(found: dict[int, bytes], stats: Counter[str]) -> tuple[tuple[str, str], ...]:
    """The `neurorail.tag.*` attributes, sorted by key; at most `TAGS_MAX`, the first by key."""
    values: dict[str, str] = {}
    slot = -1
    while slot in found:
        attribute = found[slot]
        slot -= 1
        key = attribute[2 + _TAG_SIZE : 2 + attribute[1]].decode("utf-8", "replace")
        value = text(read(attribute), TAG_VALUE_MAX + 1)
        if not key or len(key) > TAG_KEY_MAX or value is None:
            stats["bad_tag"] += 1
            continue
        if len(value) > TAG_VALUE_MAX:
            stats["tag_cut"] += 1
        values[key] = value[:TAG_VALUE_MAX]
    if len(values) > TAGS_MAX:
        stats["tags_dropped"] += len(values) - TAGS_MAX
    return tuple(sorted(values.items())[:TAGS_MAX])
