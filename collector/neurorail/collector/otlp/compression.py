"""Decompression that never holds more than the limit, whatever the body claims to be."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import zstandard

from neurorail.collector.otlp.refusal import Code, Refusal, bad_data, too_large

_FEED_BYTES: Final = 512
_GZIP: Final = 16 + zlib.MAX_WBITS
_ZSTD_WINDOW_BYTES: Final = 128 * 1024 * 1024
"""Largest window a zstd frame may ask for; the format's recommended limit for `--long` frames."""

ENCODINGS: Final = ("gzip", "deflate", "zstd")
"""What `Content-Encoding` may say besides `identity`."""


class _TooLarge(Exception):
    """The decompressed body is over the limit."""


def decompress(body: bytes, content_encoding: str, limit_bytes: int) -> bytes | Refusal:
    """Undo `Content-Encoding`; the result is at most `limit_bytes` long.

    Stops at the limit, so that a small body that would grow without end costs no more memory
    than an honest one.
    """
    if not content_encoding:
        return body
    encoding = content_encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    decoder = _DECODERS.get(encoding)
    if decoder is None:
        return Refusal(
            Code.INVALID_ARGUMENT,
            f"content encoding {content_encoding[:40]!r} is not supported; use one of"
            f" {', '.join(ENCODINGS)} or none",
            status=415,
        )
    try:
        return decoder(body, limit_bytes)
    except _TooLarge:
        return too_large("the decompressed request", limit_bytes)
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        return bad_data(f"the body is not valid {encoding}: {error}")


def _inflate_members(body: bytes, limit_bytes: int, window_bits: int) -> bytes:
    """Inflate one stream, or for gzip any number of members one after another."""
    parts: list[bytes] = []
    left = limit_bytes
    while True:
        stream = zlib.decompressobj(window_bits)
        part = stream.decompress(body, left + 1)
        if len(part) > left:
            raise _TooLarge
        if not stream.eof:
            raise EOFError("it ends too early")
        parts.append(part)
        left -= len(part)
        body = stream.unused_data
        if not body:
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _gunzip(body: bytes, limit_bytes: int) -> bytes:
    return _inflate_members(body, limit_bytes, _GZIP)


def _inflate(body: bytes, limit_bytes: int) -> bytes:
    """HTTP's `deflate` is a zlib stream; some clients send the bare deflate data instead."""
    try:
        return _inflate_members(body, limit_bytes, zlib.MAX_WBITS)
    except zlib.error:
        return _inflate_members(body, limit_bytes, -zlib.MAX_WBITS)


def _unzstd(body: bytes, limit_bytes: int) -> bytes:
    """Decompress one or more frames.

    zstandard has no output limit, so the input is fed in pieces small enough that a piece can
    expand to 16 MiB at most (a block of 4 bytes may stand for 128 KiB).
    """
    parts: list[bytes] = []
    left = limit_bytes
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    while body:
        stream = decompressor.decompressobj()
        position = 0
        while not stream.eof:
            if position >= len(body):
                raise EOFError("it ends too early")
            part = stream.decompress(body[position : position + _FEED_BYTES])
            position += _FEED_BYTES
            left -= len(part)
            if left < 0:
                raise _TooLarge
            parts.append(part)
        body = stream.unused_data + body[position:]
    return b"".join(parts)


_DECODERS: Final[Mapping[str, Callable[[bytes, int], bytes]]] = MappingProxyType(
    {"gzip": _gunzip, "deflate": _inflate, "zstd": _unzstd}
)
