"""Agents that are connected: remembered while they are heard of."""

from __future__ import annotations

import pytest

from neurorail.collector import agents
from neurorail.collector.agents import GONE_AFTER_MS, Agents

MS = 1_000_000


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 10**18

    def __call__(self) -> int:
        return self.now


def test_agent_is_gone_after_its_silence() -> None:
    clock = Clock()
    known = Agents(clock)
    assert known.announced("a", "one", "key", {})
    clock.now += (GONE_AFTER_MS - 1) * MS
    assert not known.announced("a", "one", "key", {"x": 1})
    assert known.announced("a", "two", "key", {})
    assert known.announced("b", "one", "key", {})
    assert [agent.instance_id for agent in known.connected("a")] == ["two", "one"]
    assert known.connected("a")[1].said == {"x": 1}
    assert known.connected("a")[1].first_unix_nano == 10**18
    assert known.total() == 3
    clock.now += GONE_AFTER_MS * MS
    assert known.connected("a") == []
    assert known.total() == 0
    assert known.announced("a", "one", "key", {})


def test_the_most_silent_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "AGENTS_MAX", 2)
    known = Agents(Clock())
    for name in ("one", "two", "one", "three"):
        known.announced("a", name, "key", {})
    assert [agent.instance_id for agent in known.connected("a")] == ["three", "one"]
    assert known.forgotten == 1
