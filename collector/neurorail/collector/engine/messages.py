"""What the server and its engine process say to each other, over one pipe.

Both ends are the same code started together, so that values travel as pickles. Each side has one
thread that receives; any thread may send.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from neurorail.collector.engine.journal import OutboxBatch
from neurorail.collector.envelope import Envelope, Kind, Signal, Stamp, Submission
from neurorail.rules.config import EngineConfig

# ── to the engine ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Begin:
    """The first message: what the engine works with."""

    journal: str
    """Path of the journal."""
    config: EngineConfig


@dataclass(frozen=True, slots=True)
class Records:
    """Durable records, in order and without a gap within one `turn`.

    They travel as plain tuples, which are made and read far faster than objects.
    """

    turn: int
    rows: Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Ask:
    """A question for the engine; `question` is a function of a module, or a partial of one."""

    number: int
    question: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class ReadOutbox:
    """Batches that the server no longer has in memory."""

    number: int
    after_ordinal: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class ArchivedHead:
    """Ask for the hash of the newest event that is archived."""

    number: int


@dataclass(frozen=True, slots=True)
class EndTicks:
    """Append nothing more; the answer comes after the last `Append`."""

    number: int


@dataclass(frozen=True, slots=True)
class CopyState:
    """Copy the flushed state to a file; the answer is the last record that it covers."""

    number: int
    path: str


@dataclass(frozen=True, slots=True)
class Scrub:
    """Leave no bytes of what was deleted in the engine's file; whether that was possible now."""

    number: int


@dataclass(frozen=True, slots=True)
class Prune:
    """Everything up to this batch is archived."""

    through_ordinal: int


@dataclass(frozen=True, slots=True)
class Appended:
    """Whether what the engine wanted to append is durable."""

    number: int
    stamps: Sequence[Stamp] | None
    error: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Flush and end."""


# ── from the engine ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Started:
    """The engine is restored and applies."""

    seq: int
    flushed_seq: int
    ordinal: int
    pruned_ordinal: int


@dataclass(frozen=True, slots=True)
class Group:
    """A group of records is applied, and what they produced is durable."""

    seq: int
    flushed_seq: int
    batch: OutboxBatch | None
    observations: Sequence[tuple[int, bytes]]
    """What each record said, encoded, by sequence number."""
    stats: dict[str, float] | None
    """Numbers for the metrics, now and then."""


@dataclass(frozen=True, slots=True)
class Refeed:
    """Send the records after `after_seq` again, as `turn`."""

    turn: int
    after_seq: int


@dataclass(frozen=True, slots=True)
class Append:
    """Records of the engine's own: ticks."""

    number: int
    submissions: Sequence[Submission]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to whatever has a number."""

    number: int
    value: Any
    error: str
    """Empty, or why there is no answer."""
    busy: bool = False
    """Whether asking again later can help."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The engine stopped by itself."""

    cause: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The engine has flushed everything and ends."""

    flushed_seq: int


ToEngine: TypeAlias = (
    Begin
    | Records
    | Ask
    | ReadOutbox
    | ArchivedHead
    | EndTicks
    | CopyState
    | Scrub
    | Prune
    | Appended
    | Stop
)
FromEngine: TypeAlias = Started | Group | Refeed | Append | Answer | Failed | Stopped


def row_of(envelope: Envelope) -> tuple[Any, ...]:
    """An envelope as a tuple."""
    return (
        envelope.seq,
        int(envelope.kind),
        int(envelope.signal),
        envelope.encoding,
        envelope.received_unix_nano,
        envelope.tenant,
        envelope.principal,
        envelope.schema_version,
        envelope.body,
        envelope.items,
    )


def envelope_of(row: tuple[Any, ...]) -> Envelope:
    """The envelope that `row_of` wrote."""
    return Envelope(row[0], Kind(row[1]), Signal(row[2]), *row[3:])
