"""One insert, for as long as it takes: retried while the engine is away, refused only for good."""

from __future__ import annotations

import logging
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from neurorail.collector.archive.formats import one_block_settings
from neurorail.collector.archive.rowbinary import (
    DEAD_LETTER_COLUMNS,
    ROWBINARY,
    dead_letter_row,
)
from neurorail.collector.store.client import is_embedded
from neurorail.collector.store.errors import StoreError, StoreRefused, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from neurorail.collector.archive.config import ArchiveConfig
    from neurorail.collector.archive.ports import DeadLetter, OnDeadLetter
    from neurorail.collector.store.store import Store

log = logging.getLogger(__name__)

_MEMORY_LIMIT_EXCEEDED: Final = 241


class Stopped(Exception):
    """The archive is being stopped; what is under way is taken up at the next start."""


@dataclass(slots=True)
class WriterCounts:
    """What happened so far; read by the health endpoint without a lock."""

    inserts: int = 0
    retries: int = 0
    dead_letters: int = 0
    waiting_for: str = ""
    """Why nothing is written now: `store`, `disk`, or empty."""
    last_error: str = ""
    by_source: dict[str, int] = field(default_factory=dict)
    """Items archived, by `traces`, `logs`, `metrics` and `events`."""


class Writer:
    """Writes for one stream of the archive, from that stream's thread."""

    def __init__(
        self,
        store: Store,
        node: str,
        config: ArchiveConfig,
        stop: threading.Event,
        on_dead_letter: OnDeadLetter | None,
        turn: AbstractContextManager[object],
    ) -> None:
        """`turn` is held during each insert, and not while one waits to be tried again."""
        self.store = store
        self.node = node
        self.counts = WriterCounts()
        self._config = config
        self._stop = stop
        self._on_dead_letter = on_dead_letter
        self._turn = turn
        self._directory = (
            Path(urlsplit(store.config.url).path) if is_embedded(store.config.url) else None
        )

    def insert(
        self,
        table: str,
        parts: Sequence[bytes],
        fmt: str,
        settings: Mapping[str, Any],
        columns: Sequence[str] | None = None,
    ) -> None:
        """Inserts, trying again for as long as the engine is away.

        Raises:
            StoreRefused: If the engine refuses the data for good.
            Stopped: If the archive is stopped before the engine came back.
        """

        def in_turn() -> None:
            with self._turn:
                self.store.raw_insert(table, parts, fmt, settings, columns)

        self.attempt(in_turn)
        self.counts.inserts += 1

    def attempt(self, action: Callable[[], Any]) -> Any:
        """The action's result; trying again while the engine is away or the disk is full.

        Raises:
            StoreRefused: If the engine refuses for good.
            Stopped: If the archive is stopped meanwhile.
        """
        delay_s = self._config.retry_delay_ms_min / 1000
        while True:
            if self._stop.is_set():
                raise Stopped
            try:
                self._check_disk()
                result = action()
            except StoreUnavailable as error:
                self._wait(delay_s, "store", error)
            except _DiskFull as error:
                self._wait(delay_s, "disk", error)
            else:
                self.counts.waiting_for = ""
                return result
            delay_s = min(delay_s * 2, self._config.retry_delay_ms_max / 1000)

    def retry_too_large(self, error: StoreRefused, tries: int) -> bool:
        """Whether a single record that the engine had no memory for is worth another try."""
        if error.code != _MEMORY_LIMIT_EXCEEDED or tries >= self._config.too_large_tries:
            return False
        self._wait(self._config.retry_delay_ms_min / 1000 * 2**tries, "store", error)
        return True

    def put_aside(self, letter: DeadLetter, body: bytes) -> None:
        """Keeps what the engine refuses for good, and tells whoever wants to know."""
        log.error(
            "%s of records %d to %d are refused by the store and put aside: %s",
            letter.source,
            letter.first_seq,
            letter.last_seq,
            letter.error,
        )
        row = dead_letter_row(
            tenant=letter.tenant,
            node=self.node,
            source=letter.source,
            seqs=(letter.first_seq, letter.last_seq),
            error=letter.error,
            body=body,
        )
        token = f"{self.node}.dead.{letter.source}.{letter.first_seq}-{letter.last_seq}"
        try:
            self.insert(
                "neurorail_dead_letter",
                [row],
                ROWBINARY,
                one_block_settings(token),
                DEAD_LETTER_COLUMNS,
            )
        except StoreRefused as error:
            # Nothing may block the rest; the record itself is still in the log and the event.
            log.error("the dead letter itself is refused: %s", error)
        self.counts.dead_letters += 1
        if self._on_dead_letter is not None:
            self._on_dead_letter(letter)

    def _check_disk(self) -> None:
        if self._directory is None:
            return
        free = shutil.disk_usage(self._directory).free
        if free < self._config.disk_free_bytes_min:
            raise _DiskFull(
                f"{free} bytes are free below {self._directory}; the archive waits until there are "
                f"{self._config.disk_free_bytes_min}"
            )

    def _wait(self, delay_s: float, what: str, error: Exception) -> None:
        if self.counts.waiting_for != what:
            log.warning("the archive waits for the %s: %s", what, error)
        self.counts.waiting_for = what
        self.counts.last_error = str(error)
        self.counts.retries += 1
        if self._stop.wait(delay_s):
            raise Stopped


class _DiskFull(StoreError):
    """Too little disk is left for an embedded archive."""
