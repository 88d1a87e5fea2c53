"""Messages between the server and its engine."""

from __future__ import annotations

import pickle
import socket
import threading
from collections.abc import Iterator, Sequence

import pytest

from neurorail.collector.engine.pipe import Pipe


@pytest.fixture
def ends() -> Iterator[tuple[Pipe, Pipe]]:
    """Both ends."""
    one, other = map(Pipe, socket.socketpair())
    yield one, other
    one.close()
    other.close()


def send_all(end: Pipe, messages: Sequence[object]) -> None:
    for message in messages:
        end.send(message)


@pytest.mark.parametrize("size", [0, 1, 16_000, 17_000, 4 << 20, 9 << 20])
def test_messages_of_every_size_arrive_whole_and_in_order(
    ends: tuple[Pipe, Pipe], size: int
) -> None:
    here, there = ends
    sent = [(number, bytes([number]) * size) for number in range(5)]
    sender = threading.Thread(target=send_all, args=(here, sent))
    sender.start()
    found = [there.receive() for _ in sent]
    sender.join()
    assert found == sent


def test_what_was_received_stays_when_more_is(ends: tuple[Pipe, Pipe]) -> None:
    here, there = ends
    here.send([b"a" * 1_000])
    here.send([b"b" * 1_000])
    first = there.receive()
    assert (first, there.receive()) == ([b"a" * 1_000], [b"b" * 1_000])


def test_many_threads_send_whole_messages(ends: tuple[Pipe, Pipe]) -> None:
    here, there = ends
    threads = [
        threading.Thread(target=send_all, args=(here, [(n, bytes(40_000 * n))] * 20))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    found = [there.receive() for _ in range(80)]
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted((n, bytes(40_000 * n)) for n in range(4) for _ in range(20))


def test_what_cannot_travel_is_not_sent_in_part(ends: tuple[Pipe, Pipe]) -> None:
    here, there = ends
    with pytest.raises((pickle.PicklingError, TypeError, AttributeError)):
        here.send([b"x" * 100_000, threading.Lock()])
    here.send("after it")
    assert there.receive() == "after it"


def test_a_closed_end_is_an_end(ends: tuple[Pipe, Pipe]) -> None:
    here, there = ends
    here.close()
    with pytest.raises(EOFError, match="closed"):
        there.receive()
    with pytest.raises(OSError, match="pipe"):
        there.send(1)
