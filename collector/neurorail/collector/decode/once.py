"""Idempotency keys of commands."""

from __future__ import annotations

import msgspec

from neurorail.rules.observations import Once


class OnceInput(msgspec.Struct):
    """The request's idempotency key, and what it was sent with."""

    key: str
    body_sha256: str


def once_of(given: OnceInput | None) -> Once | None:
    """What the engine is told of a key."""
    return None if given is None else Once(given.key, given.body_sha256)
