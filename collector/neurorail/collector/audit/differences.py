"""Which field of an altered row is not what its hash covers, where that can be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from neurorail.collector.audit_chain import HEAD_FIELDS, canonical, link
from neurorail.rules.events import CATEGORIES, CHANNELS, EVENT_TYPES, SEVERITIES

_FIXED: Final[Mapping[str, Sequence[str]]] = {
    "severity": SEVERITIES,
    "channel": CHANNELS,
    "event_category": CATEGORIES,
    "event_type": tuple(EVENT_TYPES),
}
_FROM_DETAILS: Final = (
    "mission_id", "plan_id", "job_id", "attempt_id", "resource_id", "entity_type", "entity_id",
)  # fmt: skip
_FROM_NEIGHBOUR: Final = ("tenant", "principal", "epoch", "message", "timestamp_unix_nano")


def difference(
    head: Sequence[Any],
    prev_hash: str,
    stored_hash: str,
    last_hash: str,
    details: Mapping[str, Any],
    neighbour: Sequence[Any],
) -> str:
    """What differs in a row whose hash is not that of what it says, in words.

    A value is named only when putting another one in its place gives the stored hash: then that is
    what was there. Tried are the values that a field can have, those that the details repeat, and
    those of the row before.

    Args:
        head: the row's head, in canonical order.
        prev_hash: what the row follows, in hex, as it says.
        stored_hash: the row's own hash, in hex.
        last_hash: the hash, in hex, of the row before it.
        details: what its details say; empty when they do not hold either.
        neighbour: the head of the row before it; empty when there is none.
    """
    prev = bytes.fromhex(prev_hash)
    if link(bytes.fromhex(last_hash), canonical(list(head))).hex() == stored_hash:
        return f"prev_hash is {prev_hash[:16]}… and was {last_hash[:16]}…"
    for name, value in _candidates(details, neighbour):
        at = HEAD_FIELDS.index(name)
        other = [*head[:at], value, *head[at + 1 :]]
        if link(prev, canonical(other)).hex() == stored_hash:
            return f"{name} is {head[at]!r} and was {value!r}"
    own = link(prev, canonical(list(head))).hex()
    return f"what the row says has the hash {own[:16]}…, and it holds {stored_hash[:16]}…"


def _candidates(details: Mapping[str, Any], neighbour: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    for name, values in _FIXED.items():
        for value in values:
            yield name, value
    for name in _FROM_DETAILS:
        yield name, ""
        if isinstance(details.get(name), str):
            yield name, details[name]
    if neighbour:
        for name in _FROM_NEIGHBOUR:
            yield name, neighbour[HEAD_FIELDS.index(name)]
