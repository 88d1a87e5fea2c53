"""Who waits for what a record becomes; what commands became, for those who ask a moment later."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Final, TypeAlias

from neurorail.collector.stream.event import StreamEvent

COMMANDS_KEPT: Final = 4_096
"""Commands whose events are remembered for whoever wrote them and asks a moment later."""

Waiting: TypeAlias = "Future[list[StreamEvent]]"


class Answers:
    """Events by the sequence number of their record. The owner locks."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[Waiting]] = {}
        self._commands: dict[int, list[StreamEvent]] = {}
        self._open: set[int] = set()

    def expect(self, commands: Sequence[int]) -> None:
        """These records are commands on their way to the engine: somebody will ask."""
        for seq in commands:
            self._commands[seq] = []
            self._open.add(seq)
        while len(self._commands) > COMMANDS_KEPT:
            self._commands.pop(next(iter(self._commands)))

    def of_applied(self, seq: int) -> list[StreamEvent]:
        """The events of a command that is applied, if they are still kept."""
        return self._commands.get(seq, [])

    def wait(self, seq: int) -> Waiting:
        """The events of a record that is not applied yet."""
        future: Waiting = Future()
        self._waiting.setdefault(seq, []).append(future)
        return future

    def applied(
        self, seq: int, events: Sequence[StreamEvent]
    ) -> list[tuple[Waiting, list[StreamEvent]]]:
        """Everything up to `seq` is applied and became these events: who is to be told what."""
        wanted: dict[int, list[StreamEvent]] = {at: [] for at in self._waiting if at <= seq}
        for at in [at for at in self._open if at <= seq]:
            wanted[at] = self._commands.get(at, [])
            self._open.discard(at)
        for event in events if wanted else ():
            found = wanted.get(event.position[1])
            if found is not None:
                found.append(event)
        return [
            (future, answer)
            for at, answer in wanted.items()
            for future in self._waiting.pop(at, ())
        ]

    def give_up(self) -> list[Waiting]:
        """Everybody who waits; nobody does any more."""
        left = [future for futures in self._waiting.values() for future in futures]
        self._waiting = {}
        return left
