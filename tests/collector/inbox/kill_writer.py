"""Appends without end and prints what was acknowledged, until it is killed."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.inbox import InboxConfig, SqliteInbox

CONFIG = InboxConfig(rotate_bytes=256 << 10, open_files=1, resumed_min_ns=1 << 62)


async def append_for_ever(inbox: SqliteInbox, worker: int) -> None:
    number = 0
    while True:
        names = [f"{os.getpid()}.{worker}.{number + place}" for place in range(1 + number % 3)]
        bodies = [f"{name} ".encode() + b"x" * (worker * 400) for name in names]
        stamps = await inbox.append([Submission(Kind.TELEMETRY, Signal.TRACES, b) for b in bodies])
        for name, stamp in zip(names, stamps, strict=True):
            os.write(1, f"{stamp.seq} {name}\n".encode())
        number += len(names)


async def main() -> None:
    inbox = SqliteInbox(Path(sys.argv[1]), CONFIG)
    inbox.start()
    await asyncio.gather(*(append_for_ever(inbox, worker) for worker in range(16)))


if __name__ == "__main__":
    asyncio.run(main())
