"""A history that really happened, put into the store as the archive does."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tests.collector.engine.support import PATIENCE_S, Running, decode, record, running
from tests.simulation.workload import make

from neurorail.collector.archive.formats import EVENTS_FORMAT, EVENTS_TABLE, event_settings
from neurorail.collector.archive.rowbinary import RECORD_COLUMNS, ROWBINARY, record_row
from neurorail.collector.decode import encode_observations
from neurorail.collector.envelope import Envelope, Submission
from neurorail.collector.store.store import Store
from neurorail.rules.config import EngineConfig
from neurorail.rules.observations import EpochStarted


def epoch_of(node: str, number: int = 1, config_json: str = "{}") -> Submission:
    """The record that begins an epoch."""
    return record(EpochStarted(number, node, "1.0", config_json))


def live(
    folder: Path, node: str, config: EngineConfig, config_json: str, seed: int
) -> tuple[list[Envelope], list[bytes]]:
    """Run a workload through a live engine: its records, and the lines of its events."""
    with running(folder, config) as rail:
        rail.put(epoch_of(node, config_json=config_json))
        for received, batch in make(seed).batches():
            rail.clock.now_unix_nano = max(rail.clock.now_unix_nano, received)
            rail.put(record(*batch))
        return ended(rail)


def live_with_state(
    folder: Path, node: str, config: EngineConfig, seed: int
) -> tuple[list[Envelope], list[bytes], int]:
    """The same, with a copy of the state taken half-way while the engine goes on; its record."""
    with running(folder, config) as rail:
        rail.put(epoch_of(node))
        batches = list(make(seed).batches())
        with ThreadPoolExecutor(1) as thread:
            copied = None
            for place, (received, batch) in enumerate(batches):
                rail.clock.now_unix_nano = max(rail.clock.now_unix_nano, received)
                rail.put(record(*batch))
                if place == len(batches) // 2:
                    copied = thread.submit(rail.journal.copy_state, folder / "copy.db")
            assert copied is not None
            seq = copied.result(timeout=PATIENCE_S)
        return (*ended(rail), seq)


def ended(rail: Running) -> tuple[list[Envelope], list[bytes]]:
    """What a live engine has applied and said when it is stopped."""
    rail.applier.stop()
    applied = rail.inbox.read(0, 1 << 20, 1 << 30)[: rail.applier.seq]
    lines = b"".join(batch.lines for batch in rail.journal.unarchived())
    return applied, lines.splitlines(keepends=True)


def keep_records(store: Store, node: str, envelopes: Sequence[Envelope]) -> None:
    """Put records into their table, encoded as the archive encodes them."""
    rows = [
        record_row(envelope, node, encode_observations(decode(envelope))) for envelope in envelopes
    ]
    store.raw_insert("neurorail_records", rows, ROWBINARY, columns=RECORD_COLUMNS)


def keep_events(store: Store, node: str, lines: Sequence[bytes]) -> None:
    """Put events into the audit and what derives from it."""
    store.raw_insert(EVENTS_TABLE, lines, EVENTS_FORMAT, event_settings(f"{node}.test"))


def encoded(envelope: Envelope) -> Envelope:
    """A record as it is stored: its body is what it said."""
    return replace(envelope, body=encode_observations(decode(envelope)))
