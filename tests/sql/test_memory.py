"""What ends queries that fill the memory of the process."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from neurorail.collector.sql.memory import MemoryWatch
from neurorail.collector.store.cancelling import Mark


class Process:
    """What a process holds, as the test says."""

    held = 1000

    def rss_bytes(self) -> int:
        return self.held


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
def watch(process: Process) -> Iterator[MemoryWatch]:
    watching = MemoryWatch(100, process.rss_bytes)
    yield watching
    watching.stop()


def test_a_query_since_whose_beginning_the_process_grew_is_ended_once(
    process: Process, watch: MemoryWatch
) -> None:
    first, second = Mark(), Mark()
    told, told_second = threading.Event(), threading.Event()
    watch.begin(first, told.set)
    process.held = 1100
    watch.begin(second, told_second.set)
    process.held = 1101
    assert told.wait(30)
    assert watch.ended(first)
    # What began when the process was that large already goes on.
    assert not watch.ended(second)
    assert not told_second.is_set()


def test_a_query_that_ended_is_let_be(process: Process, watch: MemoryWatch) -> None:
    one, other = Mark(), Mark()
    told, told_other = threading.Event(), threading.Event()
    watch.begin(one, told.set)
    assert not watch.ended(one)
    watch.begin(other, told_other.set)
    process.held = 5000
    assert told_other.wait(30)
    assert not told.is_set()
