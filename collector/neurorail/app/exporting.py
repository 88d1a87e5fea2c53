"""Connects the downstream export: its sources, its metrics, and what is pruned when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from neurorail.app.config import ExportSection
from neurorail.collector.archive.archiver import Archiver
from neurorail.collector.engine.records import AppliedRecords
from neurorail.collector.engine.remote import EngineProcess
from neurorail.collector.envelope import Submission
from neurorail.collector.export import Exporter
from neurorail.collector.export.losses import Losses
from neurorail.collector.health import Health
from neurorail.collector.history import EventsAfter
from neurorail.collector.history.protocols import HistoryUnavailable
from neurorail.collector.inbox import SqliteInbox
from neurorail.collector.otlp.export_path import ExportPath
from neurorail.collector.stream.event import EventLine, Position

EVENTS_S: Final = 60.0
"""How long a page of events may take to be read."""


def exporter_name(destination: str) -> str:
    """What a destination is called in metrics, as the OpenTelemetry Collector would."""
    return f"otlp/{destination}"


class Exporting:
    """The export of a server, and the pruning that waits for it."""

    def __init__(
        self,
        section: ExportSection,
        directory: Path,
        node: str,
        inbox: SqliteInbox,
        engine: EngineProcess,
        events: EventsAfter,
        health: Health,
        path: ExportPath,
    ) -> None:
        self._inbox = inbox
        self._engine = engine
        self._events = events
        self._loop: asyncio.AbstractEventLoop | None = None
        self._losses = Losses(self._submit, time.monotonic)
        self.exporter = Exporter(
            directory,
            section.destinations,
            AppliedRecords(inbox, engine),
            self._read_events,
            lambda name: health.exporter(exporter_name(name)),
            self._losses,
            node,
            version("neurorail"),
            path.headers,
        )

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to send; `loop` reads events. Call when the engine has started.

        Raises:
            OSError: a file of a destination cannot be read.
            ValueError: a headers' file is malformed.
        """
        self._loop = loop
        self.exporter.start()

    def stop(self) -> None:
        """End the threads; blocks at most as long as a request may take."""
        self.exporter.stop()

    def prune(self, archiver: Archiver) -> None:
        """Forget events that are archived, and records that nobody needs any more."""
        self._engine.prune(archiver.archived_ordinal)
        self.prune_inbox(archiver)

    def prune_inbox(self, archiver: Archiver) -> None:
        """Forget records: archived, covered by the engine's state, and delivered or given up."""
        prunable = min(archiver.archived_seq, self._engine.flushed_seq)
        self._inbox.prune(self.exporter.keep(prunable, self._inbox.full_files))

    def settle(self) -> None:
        """Put losses on record.

        Raises:
            InboxError: the inbox does not take records now.
        """
        self._losses.settle()

    def _submit(self, record: Submission) -> None:
        self._inbox.append_threadsafe([record])

    def _read_events(self, position: Position, limit: int) -> Sequence[EventLine]:
        assert self._loop is not None, "start comes first"
        asked = asyncio.run_coroutine_threadsafe(self._events.read(position, limit), self._loop)
        try:
            return asked.result(EVENTS_S)
        except TimeoutError:
            asked.cancel()
            raise HistoryUnavailable(f"no answer within {EVENTS_S:g} s") from None
