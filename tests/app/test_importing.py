"""Sending what is imported: waiting for a server that is busy, never in doubt what is in."""

from __future__ import annotations

from typing import Any, TypeVar

import pytest

from neurorail.app.importing import Importer, Tally
from neurorail.client import Call, ClientError, Problem, Unreachable
from neurorail.collector.importing.requests import ImportRequest

T = TypeVar("T")


class Server:
    """Answers as it is told, then takes everything in."""

    def __init__(self, *failures: ClientError) -> None:
        self.failures = list(failures)
        self.asked: list[bool] = []

    def ask(self, call: Call[T]) -> T:
        self.asked.append(call.query["after_archived"] is True)
        if self.failures:
            raise self.failures.pop(0)
        answer: Any = {"accepted": 2, "known": 1, "rejected": 0, "message": ""}
        found: T = answer
        return found


class Clock:
    """Time that passes by waiting."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.waited: list[float] = []

    def wait(self, duration_s: float) -> None:
        self.waited.append(duration_s)
        self.now_s += duration_s

    def __call__(self) -> float:
        return self.now_s


def requests(count: int) -> list[ImportRequest]:
    return [ImportRequest(b"x", 3, 1, (at, "t", "s")) for at in range(count)]


def importing(server: Server, clock: Clock, rate_per_s: int = 0) -> Importer:
    return Importer(server, rate_per_s=rate_per_s, wait=clock.wait, clock_s=clock)


def test_counts_and_asks_for_the_archive_first() -> None:
    server, clock, seen = Server(), Clock(), []
    importer = importing(server, clock)
    importer.send_all(requests(3), lambda tally: seen.append(tally.spans))
    assert importer.tally == Tally(9, 6, 3, 0, 3, 0.0, (2, "t", "s"))
    assert (seen, server.asked, clock.waited) == ([3, 6, 9], [True, False, False], [])


def test_waits_longer_each_time_for_a_server_that_is_busy() -> None:
    server, clock = Server(*[Problem(503, "busy")] * 7), Clock()
    importer = importing(server, clock)
    importer.send_all(requests(1), lambda _: None)
    assert clock.waited == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    assert importer.tally.waited_s == sum(clock.waited)


def test_after_a_broken_connection_it_is_not_known_what_is_in() -> None:
    server, clock = Server(), Clock()
    importer = importing(server, clock)
    importer.send_all(requests(1), lambda _: None)
    server.failures = [Unreachable("gone")]
    importer.send_all(requests(1), lambda _: None)
    assert server.asked == [True, False, True]


def test_what_is_refused_for_good_ends_it() -> None:
    server = Server(Problem(403, "forbidden"))
    with pytest.raises(Problem):
        importing(server, Clock()).send_all(requests(1), lambda _: None)


def test_a_server_that_stays_away_ends_it() -> None:
    server, clock = Server(*[Unreachable("away")] * 100), Clock()
    with pytest.raises(Unreachable):
        importing(server, clock).send_all(requests(1), lambda _: None)
    assert 600 < clock.now_s < 650


def test_keeps_to_a_rate_and_sends_nothing_where_there_is_no_span() -> None:
    server, clock = Server(), Clock()
    importer = importing(server, clock, rate_per_s=6)
    importer.send_all(requests(4), lambda _: None)
    assert clock.now_s == 2.0
    importer.send_all([ImportRequest(b"", 0, 4, (9, "t", "s"))], lambda _: None)
    assert len(server.asked) == 4
    assert importer.tally.unreadable == 8
