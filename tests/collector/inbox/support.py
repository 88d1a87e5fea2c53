"""What the tests of the inbox share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from neurorail.collector.envelope import Envelope, Kind, Signal, Stamp, Submission
from neurorail.collector.inbox import InboxConfig, SqliteInbox

SECOND_NS = 1_000_000_000
BEGIN_UNIX_NANO = 1_800_000_000 * SECOND_NS
KIB = 1 << 10
MIB = 1 << 20
SMALL_FILES = InboxConfig(rotate_bytes=1, open_files=2)
"""Every group gets a file of its own."""


class SettableClock:
    """A clock that stands still until it is set."""

    def __init__(self, now_unix_nano: int = BEGIN_UNIX_NANO) -> None:
        self.now_unix_nano = now_unix_nano

    def __call__(self) -> int:
        return self.now_unix_nano

    def advance(self, seconds: float) -> None:
        self.now_unix_nano += int(seconds * SECOND_NS)


def telemetry(body: bytes = b"spans") -> Submission:
    return Submission(Kind.TELEMETRY, Signal.TRACES, body, tenant="acme", items=3)


def command(body: bytes = b"{}") -> Submission:
    return Submission(Kind.COMMAND, Signal.NONE, body, principal="ann", encoding="json")


def of_kind(kind: Kind, body: bytes) -> Submission:
    return Submission(kind, Signal.NONE, body)


def put(inbox: SqliteInbox, *submissions: Submission) -> list[Stamp]:
    """Append and wait, from a thread without an event loop."""
    return inbox.append_threadsafe(submissions).result(timeout=60)


def read_all(inbox: SqliteInbox, after_seq: int = 0) -> list[Envelope]:
    """Read to the end in small steps; the sequence must have no gap."""
    found: list[Envelope] = []
    while batch := inbox.read(after_seq + len(found), 7, 2 * KIB):
        found += batch
    assert [e.seq for e in found] == list(range(after_seq + 1, after_seq + 1 + len(found)))
    return found


def bodies(envelopes: Sequence[Envelope]) -> list[bytes]:
    return [envelope.body for envelope in envelopes]


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name.startswith("inbox-"))


@contextmanager
def running(
    directory: Path, config: InboxConfig | None = None, clock: SettableClock | None = None
) -> Iterator[SqliteInbox]:
    """A started inbox, stopped at the end."""
    inbox = SqliteInbox(directory, config, clock or SettableClock())
    inbox.start()
    try:
        yield inbox
    finally:
        asyncio.run(inbox.stop())
