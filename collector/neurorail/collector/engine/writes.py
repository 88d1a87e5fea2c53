"""Writes through the API: a record into the inbox, and what the engine said to it."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from neurorail.collector.engine.applier import Busy
from neurorail.collector.envelope import Stamp, Submission
from neurorail.collector.inbox.errors import InboxError
from neurorail.collector.inbox.protocol import Appends
from neurorail.collector.stream.event import StreamEvent

ANSWER_S: Final = 10.0
"""How long a write waits for the engine; it is durable all the same."""


class Applies(Protocol):
    """An engine, as far as writes use it."""

    async def applied(self, seq: int) -> list[StreamEvent]:
        """The events of a command record, as soon as they are durable."""
        ...


class Written:
    """What became of one write."""

    __slots__ = ("events", "stamp")

    def __init__(self, stamp: Stamp, events: list[StreamEvent]) -> None:
        self.stamp = stamp
        self.events = events


class Writes:
    """Puts records of the API into the inbox and waits for the engine's answer."""

    def __init__(self, inbox: Appends, engine: Applies, answer_s: float = ANSWER_S) -> None:
        self._inbox = inbox
        self._engine = engine
        self._answer_s = answer_s

    async def write(self, record: Submission) -> Written:
        """Make a COMMAND record durable, and wait for the events it becomes.

        Raises:
            Busy: it could not be stored, or the engine did not answer in time; in the second case
                it is durable and will be applied.
        """
        stamp = await self._append(record)
        try:
            async with asyncio.timeout(self._answer_s):
                return Written(stamp, await self._engine.applied(stamp.seq))
        except TimeoutError:
            raise Busy(
                f"the write is stored, but the engine did not reach it within {self._answer_s:g} s;"
                " send it again with the same idempotency key to learn what became of it"
            ) from None

    async def note(self, record: Submission) -> None:
        """Make a record durable without waiting for the engine.

        Raises:
            Busy: it could not be stored.
        """
        await self._append(record)

    async def _append(self, record: Submission) -> Stamp:
        try:
            return (await self._inbox.append([record]))[0]
        except InboxError as error:
            raise Busy(f"the write could not be stored: {error}") from None
