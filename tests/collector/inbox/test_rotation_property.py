"""Any run of appends, prunes, reads and restarts behaves like a list."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.collector.inbox.support import KIB, SettableClock, put, read_all, telemetry

from neurorail.collector.inbox import InboxConfig, SqliteInbox


class InboxMachine(RuleBasedStateMachine):
    """The model: the bodies ever stored, in order; pruning only removes a prefix."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.clock = SettableClock()
        self.stored: list[bytes] = []
        self.pruned_through = 0

    @initialize(
        rotate=st.sampled_from([1, 60 * KIB, 200 * KIB]),
        tail=st.sampled_from([1, 4 * KIB, 1 << 20]),
        open_files=st.integers(1, 3),
    )
    def begin(self, rotate: int, tail: int, open_files: int) -> None:
        self.config = InboxConfig(rotate_bytes=rotate, tail_bytes=tail, open_files=open_files)
        self.start()

    def start(self) -> None:
        self.inbox = SqliteInbox(self.directory, self.config, self.clock)
        self.inbox.start()

    @rule(sizes=st.lists(st.integers(0, 3_000), min_size=1, max_size=70))
    def append(self, sizes: list[int]) -> None:
        bodies = [b"%d " % (len(self.stored) + n) + b"x" * size for n, size in enumerate(sizes)]
        stamps = put(self.inbox, *(telemetry(body) for body in bodies))
        assert [s.seq for s in stamps] == [len(self.stored) + n + 1 for n in range(len(sizes))]
        self.stored += bodies

    @rule(share=st.floats(0, 1.2))
    def prune(self, share: float) -> None:
        through = int(len(self.stored) * share)
        self.inbox.prune(through)
        self.pruned_through = max(self.pruned_through, through)

    @rule()
    def restart(self) -> None:
        asyncio.run(self.inbox.stop())
        self.start()

    @invariant()
    def reads_like_a_list(self) -> None:
        if not hasattr(self, "inbox"):
            return
        assert self.inbox.last_seq == len(self.stored)
        kept_after = self.inbox.first_seq - 1
        assert kept_after <= self.pruned_through
        found = read_all(self.inbox, kept_after)
        assert [e.body for e in found] == self.stored[kept_after:]
        received = [e.received_unix_nano for e in found]
        assert received == sorted(set(received))

    def teardown(self) -> None:
        if hasattr(self, "inbox"):
            asyncio.run(self.inbox.stop())
        shutil.rmtree(self.directory)


TestInboxMachine = InboxMachine.TestCase
TestInboxMachine.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
