"""What the readers tell must be what they got; and no two subscribers may share a filter."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from bench.stream_readers import Reader, received_by
from bench.streams import filter_paths


def frames(*ids: str) -> bytes:
    return b"".join(b'id: %b\ndata: {"a":1}\n\n' % one.encode() for one in ids)


def read(*pieces: bytes) -> Reader:
    """A reader that got these pieces, one a read."""
    ours, theirs = socket.socketpair()
    reader = Reader(ours)
    with ours, theirs:
        for piece in pieces:
            theirs.sendall(piece)
            assert reader.read()
    return reader


def test_every_delivery_counts_once_wherever_reads_cut_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("n.1 1000\nn.2 2000\n")
    stream = b"retry: 5\n\n: hello\n\n" + frames("n.1", "n.2", "n.unknown")
    for cut in range(1, len(stream)):
        received = received_by([read(stream[:cut], stream[cut:])], log, 0.0, 2)
        assert (received.deliveries, received.fewest, received.most) == (2, 2, 2)
        assert received.out_of_order == 0


@pytest.mark.parametrize("ids", [("n.2", "n.1"), ("n.1", "n.1", "n.2")])
def test_what_comes_twice_or_too_early_is_noticed(tmp_path: Path, ids: tuple[str, ...]) -> None:
    log = tmp_path / "log"
    log.write_text("n.1 1000\nn.2 2000\n")
    assert received_by([read(frames(*ids)), read(frames("n.2"))], log, 0.0, 2).out_of_order == 1


def test_no_two_subscribers_have_the_same_filter() -> None:
    chosen = [
        frozenset(parse_qs(urlsplit(path).query)["event_types"]) for path in filter_paths(200)
    ]
    assert len(set(chosen)) == 200
