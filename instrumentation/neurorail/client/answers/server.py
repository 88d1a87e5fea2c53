"""Reruns, the import, and the server itself."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from neurorail.client.answers.common import TypedDict


class Progress(TypedDict):
    """How far something is."""

    done: int
    total: int


class Rerun(TypedDict):
    """A backtest or a replay."""

    id: str
    kind: Literal["backtest", "replay"]
    state: str
    progress: Progress
    error: str | None
    principal: str
    created_at: str | None
    started_at: str | None
    ended_at: str | None
    after_seq: NotRequired[int]
    through_seq: NotRequired[int | None]
    manifest: NotRequired[dict[str, Any] | None]
    against: NotRequired[dict[str, Any] | None]
    since: NotRequired[str | None]
    until: NotRequired[str | None]


class RerunWithReport(Rerun):
    """A backtest or a replay with what it found."""

    report: dict[str, Any] | None


class Backtests(TypedDict):
    """Backtests, newest first."""

    backtests: list[Rerun]
    total: int


class Replays(TypedDict):
    """Replays, newest first."""

    replays: list[Rerun]
    total: int


class Imported(TypedDict):
    """What became of spans out of an archive."""

    accepted: int
    known: int
    rejected: int
    message: str


class Health(TypedDict):
    """The process answers."""

    status: Literal["ok"]
    version: str
    node: str


class Ready(TypedDict):
    """Whether every part is up."""

    status: Literal["ready", "not ready"]
    parts: dict[str, Literal["up", "down"]]
    reasons: dict[str, str]
