"""Carries inbox records into the `otel_*` tables and `neurorail_records`."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from neurorail.collector.archive.formats import (
    PROTOBUF_FORMAT,
    one_block_settings,
    telemetry_sources,
)
from neurorail.collector.archive.frames import frame_requests
from neurorail.collector.archive.nested import NestedValues
from neurorail.collector.archive.ports import DeadLetter
from neurorail.collector.archive.presence import delete_records, highest_seq, rows_by_seq
from neurorail.collector.archive.progress import Plan
from neurorail.collector.archive.rowbinary import RECORD_COLUMNS, ROWBINARY, record_row
from neurorail.collector.envelope import Kind
from neurorail.collector.store.errors import StoreRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neurorail.collector.archive.config import ArchiveConfig
    from neurorail.collector.archive.formats import Source
    from neurorail.collector.archive.ports import EncodeRecord, RecordSource
    from neurorail.collector.archive.progress import ProgressLog
    from neurorail.collector.archive.writer import Writer
    from neurorail.collector.envelope import Envelope

STREAM: Final = "telemetry"
_RECORDS_TABLE: Final = "neurorail_records"


class TelemetryStream:
    """Archives records in sequence order. Used by one thread."""

    name = STREAM

    def __init__(
        self,
        records: RecordSource,
        writer: Writer,
        log: ProgressLog,
        config: ArchiveConfig,
        encode_record: EncodeRecord | None,
    ) -> None:
        self._records = records
        self._writer = writer
        self._log = log
        self._config = config
        self._encode_record = encode_record
        self._sources = telemetry_sources()
        self._nested = NestedValues()
        self._next: Sequence[Envelope] = ()
        self.archived = 0
        self._compare_through = 0

    @property
    def backlog(self) -> int:
        """Records that wait."""
        return max(0, self._records.last_seq - self.archived)

    def recover(self) -> None:
        """Completes what was under way when the last run ended, by what the tables really hold."""
        self._next = ()
        progress = self._log.load(STREAM)
        held_from = self._records.first_seq
        self.archived = max(progress.archived if progress else 0, held_from - 1 if held_from else 0)
        planned = progress.plan.last if progress and progress.plan else 0
        targets = [target for source in self._sources.values() for target in source.targets]
        found = self._writer.attempt(
            lambda: highest_seq(
                self._writer.store, (*targets, _RECORDS_TABLE), self._writer.node, self.archived
            )
        )
        # The engine may be behind what the last run archived: that is compared as it catches up.
        self._compare_through = max(planned, found)
        before = -1
        while before < self.archived < min(self._compare_through, self._records.last_seq):
            before = self.archived
            self.step()

    def wait(self, timeout_s: float) -> bool:
        """Whether there is something to archive; blocks for at most the timeout."""
        return self._records.wait_for(self.archived, timeout_s)

    def fill(self) -> float:
        """What waits, as a share of a whole batch; 1 or more when there is one."""
        # Kept for the step that follows: what is not in memory any more is read once.
        batch = self._next = self._read()
        return max(
            len(batch) / self._config.batch_records_max,
            sum(envelope.items for envelope in batch) / self._config.batch_items_max,
            sum(len(envelope.body) for envelope in batch) / self._config.batch_bytes_max,
        )

    def step(self) -> None:
        """Archives the next batch: the one that `fill` found, if it was asked."""
        compare = self.archived < self._compare_through
        batch, self._next = self._next or self._read(), ()
        if compare:
            batch = [envelope for envelope in batch if envelope.seq <= self._compare_through]
        if batch:
            self._archive(batch, compare=compare)

    def _read(self) -> list[Envelope]:
        envelopes = self._records.read(
            self.archived, self._config.batch_records_max, self._config.batch_bytes_max
        )
        items = 0
        for count, envelope in enumerate(envelopes):
            items += envelope.items
            if items > self._config.batch_items_max and count:
                return envelopes[:count]
        return envelopes

    def _archive(self, batch: Sequence[Envelope], *, compare: bool) -> None:
        first, last = batch[0].seq, batch[-1].seq
        # After a restart the token must be a new one: an old one may be remembered for rows that
        # a power failure has taken.
        token = f"{self._writer.node}.{first}-{last}" + (
            f".{secrets.token_hex(4)}" if compare else ""
        )
        self._log.begin(STREAM, self.archived, Plan(first, last, token))
        for signal, source in self._sources.items():
            group = [e for e in batch if e.kind is Kind.TELEMETRY and e.signal is signal]
            if compare:
                group = self._missing(source, group)
            if group:
                self._insert(source, group, token)
        self._insert_records(batch, token, compare=compare)
        self._log.finish(STREAM, last)
        self.archived = last

    def _insert(self, source: Source, group: Sequence[Envelope], token: str) -> None:
        flat = self._flattened(group)
        try:
            self._writer.insert(
                source.table,
                frame_requests(flat, self._writer.node),
                PROTOBUF_FORMAT,
                source.settings(token),
            )
        except StoreRefused as error:
            self._insert_halves(source, group, token, error)
            return
        counts = self._writer.counts.by_source
        name = group[0].signal.name.lower()
        counts[name] = counts.get(name, 0) + sum(envelope.items for envelope in group)

    def _insert_halves(
        self, source: Source, group: Sequence[Envelope], token: str, error: StoreRefused
    ) -> None:
        # Some of the tables may have taken their rows before another one refused.
        self._clear(source, group)
        if len(group) > 1:
            middle = len(group) // 2
            for half in (group[:middle], group[middle:]):
                self._insert(source, half, f"{token}/{half[0].seq}-{half[-1].seq}")
            return
        envelope = group[0]
        tries = token.count("+")
        if self._writer.retry_too_large(error, tries):
            self._insert(source, group, token + "+")
            return
        self._put_aside(envelope.signal.name.lower(), group, str(error))

    def _put_aside(self, source: str, group: Sequence[Envelope], error: str) -> None:
        for envelope in group:
            letter = DeadLetter(source, envelope.tenant, envelope.seq, envelope.seq, error)
            self._writer.put_aside(letter, envelope.body)

    def _insert_records(self, batch: Sequence[Envelope], token: str, *, compare: bool) -> None:
        if self._encode_record is None:
            return
        if compare:
            present = self._present(_RECORDS_TABLE, batch)
            batch = [envelope for envelope in batch if envelope.seq not in present]
        rows = []
        for envelope in batch:
            try:
                observations = self._encode_record(envelope)
            except Exception as error:
                # A record that cannot be encoded must not block those after it.
                self._put_aside("records", [envelope], f"{type(error).__name__}: {error}")
                continue
            if observations is not None:
                rows.append(record_row(envelope, self._writer.node, observations))
        if not rows:
            return
        try:
            self._writer.insert(
                _RECORDS_TABLE, rows, ROWBINARY, one_block_settings(token), RECORD_COLUMNS
            )
        except StoreRefused as error:
            self._put_aside("records", batch, str(error))

    def _missing(self, source: Source, group: Sequence[Envelope]) -> list[Envelope]:
        """The records that are not in the tables in full; what is there of them is deleted."""
        if not group:
            return []
        rows: dict[int, int] = {}
        for target in source.targets:
            for seq, count in self._present(target, group).items():
                rows[seq] = rows.get(seq, 0) + count
        missing = [envelope for envelope in group if rows.get(envelope.seq, 0) != envelope.items]
        partial = [envelope for envelope in missing if rows.get(envelope.seq, 0)]
        if partial:
            self._clear(source, partial)
        return missing

    def _present(self, table: str, group: Sequence[Envelope]) -> dict[int, int]:
        found: dict[int, int] = self._writer.attempt(
            lambda: rows_by_seq(
                self._writer.store, table, self._writer.node, group[0].seq, group[-1].seq
            )
        )
        return found

    def _clear(self, source: Source, group: Sequence[Envelope]) -> None:
        seqs = [envelope.seq for envelope in group]
        for target in source.targets:
            if self._present(target, group):
                self._writer.attempt(
                    lambda target=target: delete_records(  # type: ignore[misc]
                        self._writer.store, target, self._writer.node, seqs
                    )
                )

    def _flattened(self, group: Sequence[Envelope]) -> Sequence[Envelope]:
        """The group with values as text that the views cannot render; mostly there are none."""
        signal = group[0].signal
        if not self._nested.any_must_flatten(signal, [envelope.body for envelope in group]):
            return group
        bodies = [self._nested.flatten(signal, envelope.body) for envelope in group]
        return [
            envelope if body is envelope.body else replace(envelope, body=body)
            for envelope, body in zip(group, bodies, strict=True)
        ]
