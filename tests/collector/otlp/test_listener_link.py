"""Frames over a real socket pair: whole, in pieces, long, and impossible."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from neurorail.collector.otlp.listener_link import Frame, Kind, Link, connect

MIB = 1 << 20
FRAMES = [
    Frame(Kind.CALLER, caller=511, payload=b"who"),
    Frame(Kind.REQUEST, 2**40, 511, 2, b"body"),
    Frame(Kind.ANSWER, 7),
    Frame(Kind.REQUEST, 8, payload=bytes(range(256)) * 4096),
    Frame(Kind.REFUSAL, 9, code=14, payload=b"no"),
]


class Side:
    """One end of a link, and what came over it."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[Frame] = asyncio.Queue()
        self.lost = asyncio.Event()
        self.link: Link

    async def connect(self, end: socket.socket) -> None:
        self.link = await connect(
            end, lambda: Link(self.frames.put_nowait, self.lost.set, 65 * MIB)
        )

    async def next(self, count: int) -> list[Frame]:
        return [await asyncio.wait_for(self.frames.get(), 60) for _ in range(count)]


class Pair:
    """A link whose other end is another one, and one whose other end is bare."""

    def __init__(self) -> None:
        self.sides = (Side(), Side())
        self.half = Side()
        self.bare: socket.socket


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    made = Pair()
    for side, end in zip(made.sides, socket.socketpair(), strict=True):
        await side.connect(end)
    made.bare, end = socket.socketpair()
    made.bare.setblocking(False)
    await made.half.connect(end)
    yield made
    made.bare.close()
    for side in (*made.sides, made.half):
        side.link.abort()
        await asyncio.wait_for(side.lost.wait(), 60)


async def encoded(pair: Pair, frames: list[Frame]) -> bytes:
    """The bytes that frames are."""
    for frame in frames:
        pair.half.link.send(frame)
    size = sum(16 + len(frame.payload) for frame in frames)
    loop, found = asyncio.get_running_loop(), b""
    while len(found) < size:
        found += await loop.sock_recv(pair.bare, size - len(found))
    return found


async def test_frames_arrive_as_they_were_sent(pair: Pair) -> None:
    one, other = pair.sides
    for frame in FRAMES:
        one.link.send(frame)
        other.link.send(frame)

    assert await other.next(len(FRAMES)) == FRAMES
    assert await one.next(len(FRAMES)) == FRAMES


@pytest.mark.parametrize("piece", [1, 15, 17, 65_537])
async def test_frames_may_come_in_pieces(pair: Pair, piece: int) -> None:
    short = [frame._replace(payload=frame.payload[:1_000]) for frame in FRAMES]
    frames = short if piece == 1 else [*FRAMES, *short]
    wire = await encoded(pair, frames)

    for at in range(0, len(wire), piece):
        await asyncio.get_running_loop().sock_sendall(pair.bare, wire[at : at + piece])

    assert await pair.half.next(len(frames)) == frames


async def test_a_long_frame_between_short_ones(pair: Pair) -> None:
    one, other = pair.sides
    frames = [FRAMES[0], Frame(Kind.REQUEST, 1, payload=b"x" * 64 * MIB), FRAMES[1]] * 2
    for frame in frames:
        one.link.send(frame)

    assert await other.next(len(frames)) == frames


@pytest.mark.parametrize(
    "header",
    [struct.pack("<IQHBB", 1, 1, 0, 99, 0), struct.pack("<IQHBB", 65 * MIB + 1, 1, 0, 9, 0)],
    ids=["kind", "length"],
)
async def test_an_impossible_frame_ends_the_link(
    pair: Pair, header: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.get_running_loop().sock_sendall(pair.bare, header)
    await asyncio.wait_for(pair.half.lost.wait(), 60)

    assert "the link to the other process is broken" in caplog.text
    pair.half.link.send(FRAMES[0])  # Nobody hears it, and nobody minds.


@pytest.mark.parametrize("sent", [10, 100, 700_000], ids=["header", "payload", "long payload"])
async def test_a_frame_that_ends_too_early_is_told(
    pair: Pair, sent: int, caplog: pytest.LogCaptureFixture
) -> None:
    wire = await encoded(pair, FRAMES[3:4])
    await asyncio.get_running_loop().sock_sendall(pair.bare, wire[:sent])
    pair.bare.close()
    await asyncio.wait_for(pair.half.lost.wait(), 60)

    assert "went away in the middle of a message" in caplog.text
    assert pair.half.frames.empty()


async def test_what_is_gathered_leaves_when_it_is_much_or_the_pause_is_over(pair: Pair) -> None:
    one, other = pair.sides
    large = Frame(Kind.REQUEST, 2, payload=b"x" * (64 << 10))
    one.link.pause_s = lambda: 3_600.0
    for frame in (FRAMES[0], large):
        one.link.send(frame)
    assert await other.next(2) == [FRAMES[0], large]

    one.link.pause_s = lambda: 0.001
    one.link.send(FRAMES[1])
    one.link.send(FRAMES[2])
    assert await other.next(2) == FRAMES[1:3]

    one.link.pause_s = lambda: 3_600.0
    one.link.send(FRAMES[4])
    one.link.close()
    assert await other.next(1) == FRAMES[4:]
    await asyncio.wait_for(other.lost.wait(), 60)


async def test_what_was_sent_leaves_before_the_link_closes(pair: Pair) -> None:
    one, other = pair.sides
    one.link.send(FRAMES[3])
    one.link.close()

    assert await other.next(1) == [FRAMES[3]]
    await asyncio.wait_for(other.lost.wait(), 60)
