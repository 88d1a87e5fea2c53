"""Exports that go in a circle are refused; what only passes through is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from neurorail.collector.otlp.export_path import (
    NODE_HEADER,
    SOURCE_S,
    SOURCES_HEADER,
    SOURCES_MAX,
    ExportPath,
)
from neurorail.collector.otlp.refusal import Code


@dataclass
class Clock:
    """A clock that a test moves."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Ring:
    """Servers by name."""

    clock: Clock = field(default_factory=Clock)
    paths: dict[str, ExportPath] = field(default_factory=dict)

    def send(self, sender: str, receiver: str) -> Code:
        """One export request from one to the other."""
        for name in (sender, receiver):
            self.paths.setdefault(name, ExportPath(name, self.clock))
        refusal = self.paths[receiver].enter(self.paths[sender].headers())
        return Code.OK if refusal is None else refusal.code


def test_a_server_refuses_its_own_export_for_good() -> None:
    assert Ring().send("a", "a") is Code.INVALID_ARGUMENT


@pytest.mark.parametrize("names", ["ab", "abc", "abcdef"])
def test_a_circle_is_broken_where_it_closes_and_nowhere_else(names: str) -> None:
    ring = Ring()
    for _ in range(3):
        for sender, receiver in pairwise(names):
            assert ring.send(sender, receiver) is Code.OK
        assert ring.send(names[-1], names[0]) is Code.UNAVAILABLE


def test_servers_that_export_to_a_third_are_no_circle() -> None:
    ring = Ring()
    for _ in range(2):
        assert ring.send("a", "b") is Code.OK
        assert ring.send("a", "c") is Code.OK
        assert ring.send("b", "d") is Code.OK
        assert ring.send("c", "d") is Code.OK


def test_a_source_that_is_silent_for_long_is_forgotten() -> None:
    ring = Ring()
    assert ring.send("a", "b") is Code.OK
    ring.clock.now_s = SOURCE_S
    assert ring.send("b", "a") is Code.UNAVAILABLE
    ring.clock.now_s = SOURCE_S + 1
    assert ring.send("b", "a") is Code.OK


def test_what_is_remembered_has_a_limit() -> None:
    path = ExportPath("here", Clock())
    for number in range(SOURCES_MAX + 5):
        assert path.enter({NODE_HEADER: f"n{number}", SOURCES_HEADER: "not a node,,x"}) is None
    sources = path.headers()[SOURCES_HEADER].split(",")
    assert len(sources) == SOURCES_MAX
    assert {"x", f"n{SOURCES_MAX + 4}"} <= set(sources)
    assert "not a node" not in sources


def test_who_does_not_export_refuses_nothing() -> None:
    path = ExportPath("")
    assert path.enter({NODE_HEADER: "a", SOURCES_HEADER: "b"}) is None
    assert path.enter({}) is None
