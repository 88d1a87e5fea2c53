"""The link between the server and its gRPC listener: numbered frames over a socket pair.

A frame is a short header and a payload. Payloads are the bodies of requests and answers as they
are; what is small and rare is packed by `listener_messages`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple, cast

_HEADER: Final = Struct("<IQHBB")
_BUFFER_BYTES: Final = 256 << 10
"""What is read at once; a longer frame is read into memory of its own."""
_KERNEL_BYTES: Final = 1 << 20
"""What the kernel may hold for the other side, as far as it allows: fewer, longer turns."""

_GATHERED_BYTES: Final = 64 << 10
"""So much leaves at once, whatever may still come."""

_log = logging.getLogger(__name__)


class Kind(IntEnum):
    """What a frame says."""

    # The server's.
    LISTEN = 1
    """Bind and listen; the payload is a `Listen`."""
    RELOAD = 2
    """Show these `Certificates` from now on."""
    STOP = 3
    """Take no new calls, end after `number` milliseconds at the latest."""
    ANSWER = 4
    """The body that answers request `number`."""
    REFUSAL = 5
    """Request `number` is refused with status `code`; the payload is a packed `Refused`."""
    # The listener's.
    LISTENING = 6
    """It listens on port `number`."""
    FAILED = 7
    """It cannot listen; the payload says why."""
    CALLER = 8
    """Metadata that requests name by `caller` from now on."""
    REQUEST = 9
    """The body of request `number` about the signal `code`, with the metadata `caller`."""
    REFUSED = 10
    """A request about the signal `code` was refused before it came here."""
    STATS = 11
    """What the listener's process uses."""


class Frame(NamedTuple):
    """One message. What its numbers mean is up to its kind."""

    kind: Kind
    number: int = 0
    caller: int = 0
    code: int = 0
    payload: bytes = b""


class BrokenLinkError(Exception):
    """The other side said what it cannot have meant: a defect."""


_KINDS: Final = {int(kind): kind for kind in Kind}


class Link(asyncio.BufferedProtocol):
    """One end. Belongs to the event loop; what is sent in one turn of it leaves in one piece."""

    def __init__(
        self,
        take: Callable[[Frame], None],
        lost: Callable[[], None],
        payload_bytes_max: int,
    ) -> None:
        """`take` gets every frame, `lost` is called once when the other side is gone."""
        self._take = take
        self._lost = lost
        self._payload_bytes_max = payload_bytes_max
        self._loop = asyncio.get_running_loop()
        self.pause_s: Callable[[], float] = lambda: 0.0
        """How long what is sent may wait for more, asked at the first of it; 0: for this turn."""
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._filled = 0
        # A frame that does not fit: its memory, and how much of it has come.
        self._long: memoryview | None = None
        self._long_frame = Frame(Kind.STATS)
        self._long_filled = 0

    # ── sending ──────────────────────────────────────────────────────────────────────────────

    def send(self, frame: Frame) -> None:
        """Send a frame; without effect once the other side is gone."""
        if self._transport is None:
            return
        if not self._out:
            pause_s = self.pause_s()
            if pause_s:
                self._loop.call_later(pause_s, self._flush)
            else:
                self._loop.call_soon(self._flush)
        kind, number, caller, code, payload = frame
        self._out.append(_HEADER.pack(len(payload), number, caller, kind, code))
        if payload:
            self._out.append(payload)
            self._out_bytes += len(payload)
            if self._out_bytes >= _GATHERED_BYTES:
                self._flush()

    def _flush(self) -> None:
        out, self._out, self._out_bytes = self._out, [], 0
        if out and self._transport is not None:
            self._transport.writelines(out)

    def close(self) -> None:
        """Close once what was sent has left."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    # ── receiving ────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Called by the loop: where to read to."""
        if self._long is not None:
            return self._long[self._long_filled :]
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Called by the loop: so much was read."""
        try:
            if self._long is not None:
                self._read_long(self._long, nbytes)
            else:
                self._read(self._filled + nbytes)
        except Exception:
            _log.critical("the link to the other process is broken", exc_info=True)
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop: the other side is gone, or this one closed."""
        self._transport = None
        self._out = []
        if self._filled or self._long is not None:
            _log.error("the other process went away in the middle of a message")
        self._lost()

    def _read(self, end: int) -> None:
        at = 0
        while end - at >= _HEADER.size:
            length, number, caller, kind, code = _HEADER.unpack_from(self._buffer, at)
            if length > self._payload_bytes_max or kind not in _KINDS:
                raise BrokenLinkError(f"a frame of kind {kind} and {length} bytes")
            begin = at + _HEADER.size
            if end - begin < length:
                if _HEADER.size + length > _BUFFER_BYTES:
                    self._begin_long(Frame(_KINDS[kind], number, caller, code), length, begin, end)
                    at = end
                break
            at = begin + length
            payload = bytes(self._view[begin:at])
            self._take(Frame(_KINDS[kind], number, caller, code, payload))
        self._filled = end - at
        if at and self._filled:
            self._view[: self._filled] = bytes(self._view[at:end])

    def _begin_long(self, frame: Frame, length: int, begin: int, end: int) -> None:
        self._long = memoryview(bytearray(length))
        self._long_frame = frame
        self._long_filled = end - begin
        self._long[: self._long_filled] = self._view[begin:end]

    def _read_long(self, long: memoryview, nbytes: int) -> None:
        self._long_filled += nbytes
        if self._long_filled == len(long):
            self._long = None
            self._take(self._long_frame._replace(payload=bytes(long)))


async def connect(end: socket.socket, make: Callable[[], Link]) -> Link:
    """Make the link over one end of a socket pair."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
    _, link = await asyncio.get_running_loop().create_unix_connection(make, sock=end)
    return link
