"""All files of an inbox: which one holds a record, rotation, pruning, what they take on disk."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from neurorail.collector.envelope import Envelope
from neurorail.collector.inbox.errors import InboxCorrupt, InboxPruned
from neurorail.collector.inbox.segment import Segment

_PREFIX: Final = "inbox-"
_SUFFIX: Final = ".db"


@dataclass(frozen=True, slots=True)
class FullFile:
    """A full file: its newest record, and what it takes on disk."""

    last_seq: int
    size_bytes: int


class Segments:
    """The files in order; the last takes the appends, the others are full.

    `append` is called by one thread only; everything else by any.
    """

    def __init__(
        self, directory: Path, rotate_bytes: int, open_files: int, runway_bytes: int = 0
    ) -> None:
        self._directory = directory
        self._rotate_bytes = rotate_bytes
        self._runway_bytes = runway_bytes
        self._open_files = open_files
        self._lock = threading.Lock()
        self._segments: list[Segment] = []
        self._full_bytes: dict[int, int] = {}
        """Size of the full files by first record, so that admission needs no look at the disk."""
        self._active_bytes = 0
        """What the last file takes on disk."""
        self._active_used_bytes = 0
        """What of it is not room ahead: that decides on rotation."""
        self._sealed = False
        self.last_received_unix_nano = 0

    def open(self) -> None:
        """Find the files and recover the last one.

        Raises:
            InboxCorrupt: naming the file.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        firsts = sorted(_first_seq(path) for path in self._directory.glob(f"{_PREFIX}*{_SUFFIX}"))
        segments = [self._segment(first) for first in firsts]
        received: int | None = None
        while segments and (received := segments[-1].recover()) is None:
            segments.pop().remove()
        for segment, following in pairwise(segments):
            segment.last_seq = following.first_seq - 1
            self._full_bytes[segment.first_seq] = segment.disk_bytes()
        self.last_received_unix_nano = received or 0
        with self._lock:
            self._segments = segments
        if segments:
            self._active_bytes = segments[-1].disk_bytes()
            self._active_used_bytes = segments[-1].used_bytes()
            segments[0].load_first_received()

    @property
    def first_seq(self) -> int:
        """The oldest record kept; the next one to come when there is none."""
        segments = self._segments
        return segments[0].first_seq if segments else 1

    @property
    def last_seq(self) -> int:
        """The newest durable record; 0 when there never was one."""
        segments = self._segments
        return segments[-1].last_seq if segments else 0

    @property
    def oldest_received_unix_nano(self) -> int:
        """When the oldest record kept was received; 0 without one."""
        segments = self._segments
        return segments[0].first_received_unix_nano if segments else 0

    @property
    def files(self) -> int:
        """How many files there are."""
        return len(self._segments)

    def disk_bytes(self) -> int:
        """What all files take, without a look at the disk."""
        with self._lock:
            return sum(self._full_bytes.values()) + self._active_bytes

    def append(self, envelopes: Sequence[Envelope]) -> None:
        """Commit `envelopes` to the last file, after rotation if that is full.

        Raises:
            sqlite3.Error: nothing was stored.
        """
        segment = self._writable(envelopes[0].seq)
        segment.append(envelopes)
        self._active_used_bytes = segment.used_bytes()
        size_bytes = segment.disk_bytes()
        self.last_received_unix_nano = envelopes[-1].received_unix_nano
        with self._lock:
            self._active_bytes = size_bytes

    def seal(self) -> None:
        """Let the next record begin a new file, so that those before it can be pruned."""
        self._sealed = True

    def read(self, after_seq: int, max_records: int, max_bytes: int) -> list[Envelope]:
        """Return records after `after_seq`, of one file at a time."""
        with self._lock:
            segments = self._segments
            index = bisect.bisect_right(segments, after_seq + 1, key=lambda s: s.first_seq) - 1
        if index < 0:
            if segments:
                raise InboxPruned(
                    f"record {after_seq + 1} was pruned, {self.first_seq} is the first"
                )
            return []
        if after_seq >= segments[index].last_seq:
            return []
        return segments[index].read(after_seq, max_records, max_bytes)

    def full_files(self, through_seq: int) -> list[FullFile]:
        """The full files whose records are all `<= through_seq`, oldest first."""
        with self._lock:
            return [
                FullFile(segment.last_seq, self._full_bytes[segment.first_seq])
                for segment in self._segments[:-1]
                if segment.last_seq <= through_seq and segment.first_seq in self._full_bytes
            ]

    def prune(self, through_seq: int) -> int:
        """Delete every full file whose records are all `<= through_seq`; return how many."""
        with self._lock:
            kept = [s for s in self._segments[:-1] if s.last_seq > through_seq]
            gone = [s for s in self._segments[:-1] if s.last_seq <= through_seq]
            self._segments = kept + self._segments[-1:]
            oldest = self._segments[0] if self._segments else None
        for segment in gone:
            segment.remove()
            with self._lock:
                self._full_bytes.pop(segment.first_seq, None)
        if gone and oldest is not None:
            oldest.load_first_received()
        return len(gone)

    def close_idle(self) -> None:
        """Merge and close the oldest full files beyond the number that may stay open."""
        with self._lock:
            full = [segment for segment in self._segments[:-1] if segment.is_open]
        for segment in full[: max(0, len(full) - self._open_files)]:
            segment.close()
            size_bytes = segment.disk_bytes()
            with self._lock:
                if segment.first_seq in self._full_bytes:
                    self._full_bytes[segment.first_seq] = size_bytes

    def close(self) -> None:
        """Merge and close every file."""
        for segment in self._segments:
            segment.close()

    def _writable(self, seq: int) -> Segment:
        segments = self._segments
        full = self._sealed or self._active_used_bytes >= self._rotate_bytes
        if segments and (not full or segments[-1].is_empty):
            return segments[-1]
        self._sealed = False
        segment = self._segment(seq)
        try:
            segment.create(self.last_received_unix_nano)
        except BaseException:
            segment.remove()
            raise
        with self._lock:
            if self._segments:
                self._full_bytes[self._segments[-1].first_seq] = self._active_bytes
            self._segments = [*self._segments, segment]
            self._active_bytes = segment.disk_bytes()
        return segment

    def _segment(self, first_seq: int) -> Segment:
        return Segment(self._path(first_seq), first_seq, self._runway_bytes)

    def _path(self, first_seq: int) -> Path:
        return self._directory / f"{_PREFIX}{first_seq:020d}{_SUFFIX}"


def _first_seq(path: Path) -> int:
    digits = path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
    if not digits.isdecimal():
        raise InboxCorrupt(f"inbox file {path} has no record number in its name: move it away")
    return int(digits)
