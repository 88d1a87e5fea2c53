"""What the engine's process sees of the inbox: records that arrive over a pipe."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from tests.collector.engine.support import PATIENCE_S, envelope_of, record
from tests.rules.scenario import BASE

from neurorail.collector.engine import messages
from neurorail.collector.engine.pipe import Pipe
from neurorail.collector.engine.worker import FedInbox
from neurorail.collector.envelope import Envelope, Kind, Signal, Stamp, Submission
from neurorail.collector.inbox.errors import InboxClosed, InboxFull

TICK = Submission(Kind.TICK, Signal.NONE, b"", encoding="json")
ANY_BYTES = 1 << 20


def envelopes(first: int, last: int) -> list[Envelope]:
    """Records of one size."""
    return [
        envelope_of(seq, record({"log": "create", "ids": ["m_1"], "time": 1}), BASE)
        for seq in range(first, last + 1)
    ]


@pytest.fixture
def ends() -> Iterator[tuple[Pipe, Pipe]]:
    """Both ends of a pipe: the server's and the engine's."""
    server, engine = map(Pipe, socket.socketpair())
    yield server, engine
    server.close()
    engine.close()


@pytest.fixture
def server(ends: tuple[Pipe, Pipe]) -> Pipe:
    """The server's end."""
    return ends[0]


@pytest.fixture
def inbox(ends: tuple[Pipe, Pipe]) -> FedInbox:
    """The inbox at the other end."""
    return FedInbox(ends[1])


def seqs(inbox: FedInbox, after_seq: int, most: int = 100, size: int = ANY_BYTES) -> list[int]:
    return [envelope.seq for envelope in inbox.read(after_seq, most, size)]


def nothing_was_asked(inbox: FedInbox, server: Pipe) -> None:
    """What the inbox says next is the first thing that the server hears."""
    inbox.append_threadsafe([TICK])
    assert isinstance(server.receive(), messages.Append)


def test_records_are_read_in_order_within_limits(inbox: FedInbox, server: Pipe) -> None:
    assert seqs(inbox, 0) == []
    inbox.feed(0, envelopes(1, 3))
    inbox.feed(0, envelopes(4, 5))
    assert seqs(inbox, 0) == [1, 2, 3, 4, 5]
    assert seqs(inbox, 0, most=2) == [1, 2]
    size = len(envelopes(1, 1)[0].body)
    assert seqs(inbox, 0, size=3 * size) == [1, 2, 3]
    assert seqs(inbox, 0, size=3 * size - 1) == [1, 2]
    assert seqs(inbox, 0, size=1) == [1]
    assert seqs(inbox, 3) == [4, 5]
    assert seqs(inbox, 5) == []
    nothing_was_asked(inbox, server)


def test_records_that_are_gone_are_asked_for_again(inbox: FedInbox, server: Pipe) -> None:
    inbox.feed(0, envelopes(1, 5))
    assert seqs(inbox, 3) == [4, 5]
    assert seqs(inbox, 1) == []
    assert server.receive() == messages.Refeed(1, 1)
    # What is still under way belongs to the earlier turn.
    inbox.feed(0, envelopes(6, 7))
    assert seqs(inbox, 1) == []
    inbox.feed(1, envelopes(2, 6))
    assert seqs(inbox, 1) == [2, 3, 4, 5, 6]
    nothing_was_asked(inbox, server)


def test_waiting_ends_with_a_record_a_wake_or_the_time(inbox: FedInbox) -> None:
    assert not inbox.wait_for(0, 0)
    inbox.feed(0, envelopes(1, 1))
    assert inbox.wait_for(0, 0)
    assert not inbox.wait_for(1, 0)
    found: list[bool] = []

    def wait() -> None:
        found.append(inbox.wait_for(1, PATIENCE_S))

    fed = threading.Thread(target=wait)
    fed.start()
    inbox.feed(0, envelopes(2, 2))
    fed.join(PATIENCE_S)
    assert found == [True]
    woken = threading.Thread(target=lambda: found.append(inbox.wait_for(2, 3_600.0)))
    woken.start()
    while woken.is_alive():
        inbox.wake()
        woken.join(0.01)
    assert found == [True, False]


def test_appends_are_answered_by_the_server(inbox: FedInbox, server: Pipe) -> None:
    first, second = inbox.append_threadsafe([TICK]), inbox.append_threadsafe([TICK, TICK])
    assert server.receive() == messages.Append(1, [TICK])
    assert server.receive() == messages.Append(2, [TICK, TICK])
    inbox.appended(messages.Appended(2, None, "the disk is full"))
    inbox.appended(messages.Appended(1, [Stamp(7, BASE)], ""))
    assert first.result(0) == [Stamp(7, BASE)]
    with pytest.raises(InboxFull, match="the disk is full"):
        second.result(0)


def test_a_server_that_is_gone_is_a_closed_inbox(inbox: FedInbox, server: Pipe) -> None:
    inbox.feed(0, envelopes(4, 5))
    server.close()
    with pytest.raises(InboxClosed, match="the server is gone"):
        inbox.append_threadsafe([TICK])
    assert seqs(inbox, 1) == []


def test_records_travel_as_rows() -> None:
    (envelope,) = envelopes(3, 3)
    assert messages.envelope_of(messages.row_of(envelope)) == envelope
