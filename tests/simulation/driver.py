"""Runs a workload through an engine, and says what came of it."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Protocol

import msgspec
from tests.rules.written import written
from tests.simulation.workload import BASE, SECOND, make

from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import Engine
from neurorail.rules.events import Event
from neurorail.rules.observations import Observation, Tick
from neurorail.rules.state import Row

AFTERWARDS = BASE + 1_000 * SECOND
"""Long after everything arrived and every lateness and grace is over."""

CONFIG = EngineConfig(idle_ms=300_000)

Cut = Callable[[list[Observation]], list[list[Observation]]]


def whole(batch: list[Observation]) -> list[list[Observation]]:
    """One record."""
    return [batch]


def random_cut(seed: int) -> Cut:
    """Cuts a batch into records at random."""
    rng = random.Random(seed)

    def cut(batch: list[Observation]) -> list[list[Observation]]:
        records: list[list[Observation]] = [[]]
        for seen in batch:
            if records[-1] and rng.random() < 0.4:
                records.append([])
            records[-1].append(seen)
        return records

    return cut


class Told(Protocol):
    """A workload, as far as it is told to an engine."""

    def batches(self) -> Iterable[tuple[int, list[Observation]]]:
        """What is received at the same moment, together."""
        ...


class Memory:
    """The state store of an engine, as bytes."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[int, int, bytes]] = {}
        self.meta = b""

    def load(self, key: str) -> Row | None:
        found = self.rows.get(key)
        return None if found is None else list(msgspec.msgpack.decode(found[2]))

    def flush(self, engine: Engine) -> None:
        changes = engine.state.take_changes()
        for key, deadline, touched, row in changes.rows:
            self.rows[key] = (deadline, touched, msgspec.msgpack.encode(row))
        for key in changes.removed:
            self.rows.pop(key, None)
        self.meta = msgspec.msgpack.encode(changes.meta)
        engine.state.evict()

    def restored(self, config: EngineConfig) -> Engine:
        engine = Engine(config, self.load)
        state = engine.state
        state.restore_meta(msgspec.msgpack.decode(self.meta), b"")
        state.restore_deadlines([(key, row[0]) for key, row in self.rows.items() if row[0]])
        live = []
        for key, (_, touched, row) in self.rows.items():
            if touched:
                live.append((touched, key, row))
        for touched, key, row in sorted(live):
            state.restore_trace(key, msgspec.msgpack.decode(row), touched)
        state.kept.restore(
            [
                (key, msgspec.msgpack.decode(row))
                for key, (_, _, row) in self.rows.items()
                if key[0] == "|"
            ]
        )
        return engine


class Driver:
    """Feeds an engine; with `unrest` it is flushed and restarted at random moments."""

    def __init__(self, config: EngineConfig = CONFIG, unrest: int | None = None) -> None:
        self.config = config
        self.memory = Memory()
        self.engine = Engine(config, self.memory.load)
        self.rng = None if unrest is None else random.Random(unrest)
        self.events: list[Event] = []

    def run(self, work: Told, cut: Cut = whole) -> list[Event]:
        """Everything, and then time until nothing is due any more."""
        for received, batch in work.batches():
            self._ticks(received)
            for record in cut(batch):
                self._apply(received, record)
        self._ticks(AFTERWARDS)
        return self.events

    def _ticks(self, until: int) -> None:
        while (deadline := self.engine.next_deadline()) is not None and deadline <= until:
            self._apply(deadline, [Tick()])

    def _apply(self, received: int, record: list[Observation]) -> None:
        self.events += written(received, "default", self.engine.apply(received, "default", record))
        if self.rng is not None:
            chance = self.rng.random()
            if chance < 0.5:
                self.memory.flush(self.engine)
            if chance < 0.25:
                self.engine = self.memory.restored(self.config)


def digest(events: list[Event]) -> str:
    """Over everything that events say."""
    running = sha256()
    for event in events:
        said = [event.type, event.ids, event.event_time_unix_nano, event.data, event.severity]
        running.update(msgspec.json.encode(said))
    return running.hexdigest()


if __name__ == "__main__":
    # `python -m tests.simulation.driver SEED…`: a digest a line, for other processes to compare.
    for argument in sys.argv[1:]:
        print(digest(Driver().run(make(int(argument)))))
