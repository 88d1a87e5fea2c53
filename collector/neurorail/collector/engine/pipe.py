"""One end of the pipe between the server and its engine: pickles, each after its length.

Megabytes a second pass here. A message is read into memory that is kept for the next one, since to
have it from the operating system anew costs more than to read it.
"""

from __future__ import annotations

import pickle
import socket
import threading
from struct import Struct
from typing import Any, Final

_BUFFER_BYTES: Final = 1 << 20
"""What the kernel may hold for the other side, as far as it allows: fewer, longer turns."""
_KEPT_BYTES: Final = 4 << 20
"""A longer message is read into memory of its own."""
_JOINED_BYTES: Final = 16 << 10
"""A shorter message is sent in one piece with its length."""
_PROTOCOL: Final = 5
_LENGTH: Final = Struct("<Q")


class Pipe:
    """Sending is safe from any thread, receiving belongs to one."""

    def __init__(self, end: socket.socket) -> None:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        self._end = end
        self._sending = threading.Lock()
        self._length = memoryview(bytearray(_LENGTH.size))
        self._kept = memoryview(bytearray(_KEPT_BYTES))

    def send(self, message: object) -> None:
        """Send a message. Blocks while the other side is behind.

        Raises:
            OSError: the other side is gone.
            PicklingError, TypeError, AttributeError: the message cannot travel; nothing was sent.
        """
        body = pickle.dumps(message, _PROTOCOL)
        length = _LENGTH.pack(len(body))
        with self._sending:
            if len(body) < _JOINED_BYTES:
                self._end.sendall(length + body)
            else:
                self._end.sendall(length)
                self._end.sendall(body)

    def receive(self) -> Any:
        """The next message.

        Raises:
            EOFError, OSError: the other side is gone.
        """
        self._fill(self._length)
        (length,) = _LENGTH.unpack(self._length)
        fits = length <= _KEPT_BYTES
        body = self._kept[:length] if fits else memoryview(bytearray(length))
        self._fill(body)
        return pickle.loads(body)

    def _fill(self, room: memoryview) -> None:
        at = 0
        while at < len(room):
            read = self._end.recv_into(room[at:])
            if read == 0:
                raise EOFError("the other side of the pipe is closed")
            at += read

    def close(self) -> None:
        """Close this end."""
        self._end.close()
