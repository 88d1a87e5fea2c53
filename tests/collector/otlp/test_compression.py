from __future__ import annotations

import gzip
import os
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard

from neurorail.collector.otlp.compression import decompress
from neurorail.collector.otlp.refusal import Code, Refusal

LIMIT = 1_000_000
Compress = Callable[[bytes], bytes]


def _raw_deflate(body: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(body) + stream.flush()


def _zstd_stream(body: bytes) -> bytes:
    """Without the content size in the frame, as streaming senders make it."""
    stream = zstandard.ZstdCompressor().compressobj()
    return stream.compress(body) + stream.flush()


COMPRESSIONS: list[tuple[str, Compress]] = [
    ("gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", _raw_deflate),
    ("zstd", zstandard.compress),
    ("zstd", _zstd_stream),
]
each_compression = pytest.mark.parametrize(
    ("encoding", "compress"), COMPRESSIONS, ids=["gzip", "zlib", "raw deflate", "zstd", "zstd s"]
)


@each_compression
@pytest.mark.parametrize("size", [0, 1, 70_000, LIMIT])
def test_what_was_compressed_comes_back(encoding: str, compress: Compress, size: int) -> None:
    body = os.urandom(size)

    assert decompress(compress(body), encoding, LIMIT) == body


@each_compression
def test_one_byte_over_the_limit_is_refused_for_good(encoding: str, compress: Compress) -> None:
    refusal = decompress(compress(bytes(LIMIT + 1)), encoding, LIMIT)

    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.retryable) == (Code.RESOURCE_EXHAUSTED, False)
    assert refusal.http_status == 413


@each_compression
def test_a_bomb_never_expands_beyond_the_limit(encoding: str, compress: Compress) -> None:
    bomb = compress(bytes(300_000_000))
    assert len(bomb) < LIMIT

    tracemalloc.start()
    refusal = decompress(bomb, encoding, LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert isinstance(refusal, Refusal)
    assert peak < 40_000_000


@each_compression
def test_a_cut_or_spoilt_body_is_bad_data(encoding: str, compress: Compress) -> None:
    body = compress(os.urandom(10_000))

    for bad in (body[:-5], body[:20], b"\xff" + body[1:]):
        refusal = decompress(bad, encoding, LIMIT)
        assert isinstance(refusal, Refusal)
        assert refusal.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("zstd", zstandard.compress)]
)
def test_several_members_are_one_body(encoding: str, compress: Compress) -> None:
    assert decompress(compress(b"one ") + compress(b"two"), encoding, LIMIT) == b"one two"
    refusal = decompress(compress(bytes(LIMIT)) + compress(b"x"), encoding, LIMIT)
    assert isinstance(refusal, Refusal)


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_a_body_that_is_not_compressed_is_left_alone(encoding: str) -> None:
    body = b"plain"

    assert decompress(body, encoding, LIMIT) is body


def test_names_are_read_in_any_case() -> None:
    assert decompress(gzip.compress(b"x"), "GZIP", LIMIT) == b"x"


@pytest.mark.parametrize("encoding", ["br", "snappy", "gzip, gzip"])
def test_an_unknown_encoding_is_refused_with_the_known_ones(encoding: str) -> None:
    refusal = decompress(b"x", encoding, LIMIT)

    assert isinstance(refusal, Refusal)
    assert refusal.http_status == 415
    assert "gzip, deflate, zstd" in refusal.message
