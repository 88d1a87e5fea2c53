"""Carries the outbox's event lines into the audit and the other governance tables."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

import msgspec

from neurorail.collector.archive.formats import EVENTS_FORMAT, EVENTS_TABLE, event_settings
from neurorail.collector.archive.ports import DeadLetter
from neurorail.collector.archive.presence import delete_positions, positions
from neurorail.collector.archive.progress import Plan
from neurorail.collector.store.errors import StoreRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neurorail.collector.archive.config import ArchiveConfig
    from neurorail.collector.archive.ports import EventBatch, EventSource
    from neurorail.collector.archive.presence import Position
    from neurorail.collector.archive.progress import ProgressLog
    from neurorail.collector.archive.writer import Writer

STREAM: Final = "events"
AUDIT_TABLE: Final = "neurorail_audit"
DERIVED_TABLES: Final = (
    "neurorail_state_transitions",
    "governor_decisions",
    "governor_manifests",
    "neurorail_metrics_snapshots",
    "neurorail_usage",
    "neurorail_entities",
)
_AUDITED_ALREADY: Final = b",true]\n"
"""What a line ends with when only the derived tables lack it."""


class _Head(msgspec.Struct, gc=False, array_like=True):
    node: str
    epoch: int
    seq: int
    index: int
    tenant: str

    @property
    def position(self) -> Position:
        return (self.epoch, self.seq, self.index)


_decode_head = msgspec.json.Decoder(_Head).decode


class EventStream:
    """Archives events in outbox order. Used by one thread."""

    name = STREAM

    def __init__(
        self, events: EventSource, writer: Writer, log: ProgressLog, config: ArchiveConfig
    ) -> None:
        self._events = events
        self._writer = writer
        self._log = log
        self._config = config
        self._next: Sequence[EventBatch] = ()
        self.archived = 0

    def recover(self) -> None:
        """Completes what was under way when the last run ended, by what the tables really hold."""
        self._next = ()
        progress = self._log.load(STREAM)
        if progress is None:
            # A new directory, or the file was lost: every batch that is still held is compared.
            through = None
        else:
            self.archived = progress.archived
            through = progress.plan.last if progress.plan else progress.archived
        while through is None or self.archived < through:
            batches = self._read()
            if through is not None:
                batches = [batch for batch in batches if batch.ordinal <= through]
            if not batches:
                break
            self._archive(batches, compare=True)

    def wait(self, timeout_s: float) -> bool:
        """Whether there is something to archive; blocks for at most the timeout."""
        return self._events.wait_for(self.archived, timeout_s)

    def fill(self) -> float:
        """What waits, as a share of a whole batch; 1 or more when there is one."""
        # Kept for the step that follows: what is not in memory any more is read once.
        self._next = self._read()
        return 2 * sum(len(batch.lines) for batch in self._next) / self._config.events_bytes_max

    def step(self) -> None:
        """Archives the next batch: the one that `fill` found, if it was asked."""
        batches, self._next = self._next or self._read(), ()
        if batches:
            self._archive(batches, compare=False)

    def _read(self) -> Sequence[EventBatch]:
        return self._events.read(self.archived, self._config.events_bytes_max)

    def _archive(self, batches: Sequence[EventBatch], *, compare: bool) -> None:
        first, last = batches[0].ordinal, batches[-1].ordinal
        token = f"{self._writer.node}.events.{first}-{last}" + (
            f".{secrets.token_hex(4)}" if compare else ""
        )
        self._log.begin(STREAM, self.archived, Plan(first, last, token))
        parts: Sequence[bytes] = [batch.lines for batch in batches]
        if compare:
            parts = self._missing(parts)
        if any(parts):
            self._insert(parts, token)
        self._log.finish(STREAM, last)
        self.archived = last
        counts = self._writer.counts.by_source
        counts[STREAM] = counts.get(STREAM, 0) + sum(batch.events for batch in batches)

    def _insert(self, parts: Sequence[bytes], token: str) -> None:
        try:
            self._writer.insert(EVENTS_TABLE, parts, EVENTS_FORMAT, event_settings(token))
        except StoreRefused as error:
            lines = b"".join(parts).splitlines(keepends=True)
            self._insert_halves(lines, token, error)

    def _insert_halves(self, lines: list[bytes], token: str, error: StoreRefused) -> None:
        if len(lines) > 1:
            middle = len(lines) // 2
            for number, half in enumerate((lines[:middle], lines[middle:])):
                # Some of the tables may have taken their rows before another one refused.
                left = self._missing(half)
                if left:
                    self._insert(left, f"{token}/{number}")
            return
        if self._writer.retry_too_large(error, token.count("+")):
            self._insert(lines, token + "+")
            return
        try:
            head = _decode_head(lines[0])
        except msgspec.DecodeError:
            head = _Head("", 0, 0, 0, "")
        self._writer.put_aside(
            DeadLetter(STREAM, head.tenant, head.seq, head.seq, str(error)), lines[0]
        )

    def _missing(self, parts: Sequence[bytes]) -> list[bytes]:
        """The lines that are not in all tables, marked where the audit already has them."""
        lines = b"".join(parts).splitlines(keepends=True)
        heads = []
        for line in lines:
            try:
                heads.append(_decode_head(line).position)
            except msgspec.DecodeError:
                heads.append((0, 0, 0))
        first, last = min(heads), max(heads)
        store, node = self._writer.store, self._writer.node
        audited: set[Position] = self._writer.attempt(
            lambda: positions(store, AUDIT_TABLE, node, first, last)
        )
        if not audited:
            return lines
        # The audit is append-only and is never corrected; what is derived from it is made anew.
        for table in DERIVED_TABLES:
            self._writer.attempt(
                lambda table=table: delete_positions(store, table, node, first, last)  # type: ignore[misc]
            )
        return [
            line.rstrip()[:-1] + _AUDITED_ALREADY if head in audited else line
            for line, head in zip(lines, heads, strict=True)
        ]
