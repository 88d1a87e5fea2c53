"""A backtest or replay that somebody asked the server for, as it is shown and kept."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

BACKTEST: Final = "backtest"
REPLAY: Final = "replay"
Kind = Literal["backtest", "replay"]
State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
OVER: Final = frozenset({"succeeded", "failed", "cancelled"})


class ManifestName(msgspec.Struct, frozen=True):
    """Which manifest."""

    name: str
    version: str
    sha256: str


class Job(msgspec.Struct, omit_defaults=True):
    """One of them. Times are Unix nanoseconds, 0 where there is none."""

    id: str
    kind: Kind
    tenant: str
    principal: str
    created_unix_nano: int
    state: State = "queued"
    started_unix_nano: int = 0
    ended_unix_nano: int = 0
    done: int = 0
    total: int = 0
    """Sequence numbers of records: looked at, and to be looked at."""
    error: str = ""
    """Why it ended without a report."""
    new: ManifestName | None = None
    against: ManifestName | None = None
    """None: what was active then."""
    since_unix_nano: int = 0
    until_unix_nano: int = 0
    after_seq: int = 0
    through_seq: int = 0

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.state in OVER
