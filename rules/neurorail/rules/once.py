"""Idempotency keys of REST writes: a write that is sent again changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from neurorail.rules.kept import Kind
from neurorail.rules.observations import NO_IDS, Once
from neurorail.rules.state import State

WRITES_MAX: Final = 10_000
"""Idempotency keys remembered a tenant; the oldest is forgotten first."""


@dataclass(slots=True)
class FirstWrite:
    """What was written under a key the first time."""

    body_sha256: str
    received_unix_nano: int
    """Of its record: by this time, which is its own alone, its events are found."""
    entity_id: str | None


def _to_row(first: FirstWrite) -> list[Any]:
    return [first.body_sha256, first.received_unix_nano, first.entity_id]


def _from_row(row: list[Any]) -> FirstWrite:
    return FirstWrite(row[0], row[1], row[2])


WRITES: Final = Kind("write", WRITES_MAX, _to_row, _from_row, evicts=True)


def is_repeated(state: State, once: Once, entity_id: str | None) -> bool:
    """Whether a write was made before; then an event says so. Else it is remembered."""
    first = state.kept.get(WRITES, state.tenant, once.key)
    if first is None:
        made = FirstWrite(once.body_sha256, state.now, entity_id)
        state.kept.put(WRITES, state.tenant, once.key, made)
        return False
    same = first.body_sha256 == once.body_sha256
    endpoint = once.key.partition(" ")[0]
    state.emit(
        "write_repeated",
        NO_IDS,
        state.now,
        {
            "endpoint": endpoint,
            "same_body": same,
            "entity_id": first.entity_id,
            "first_received_unix_nano": first.received_unix_nano,
        },
        f"{endpoint} was sent again" if same else f"{endpoint}: a used key with another body",
    )
    return True
