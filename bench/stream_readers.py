"""Many readers of a live stream in one process, with as little work as Python allows.

Reads sockets as they come, keeps ids and the time of each read, and computes only when it is told
on standard input that nothing more comes. Readers stand for processes elsewhere: their processor
time is stated, so that it can be seen what part of the machine the server did not have.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from bench.load import percentile

QUIET_S: Final = 2.0
"""Without anything for so long after the end, all is read."""
READ_BYTES: Final = 1 << 18
_ID: Final = re.compile(rb"id: (\S+)\n")


@dataclass(slots=True)
class Received:
    """What came of it."""

    deliveries: int
    fewest: int
    """Of one reader."""
    most: int
    out_of_order: int
    """Readers to which events came twice, or not in the order of publication."""
    p50_ms: float
    p99_ms: float
    max_ms: float
    seconds: float
    """From the first publication to the last receipt."""
    cpu_s: float
    """Of all readers together."""
    reads: int


@dataclass(slots=True)
class Reader:
    """One connection, and what came over it."""

    socket: socket.socket
    rest: bytes = b""
    batches: list[tuple[int, list[bytes]]] = field(default_factory=list)

    def read(self) -> bool:
        """Take what is there; whether the connection is still open."""
        data = self.socket.recv(READ_BYTES)
        now = time.time_ns()
        text = self.rest + data if self.rest else data
        end = text.rfind(b"\n\n") + 2
        self.rest = text[end:] if end > 1 else text
        if end > 1:
            ids = _ID.findall(text, 0, end)
            if ids:
                self.batches.append((now, ids))
        return bool(data)


def connect(host: str, port: int, path: str) -> socket.socket:
    """Open a stream and return its socket, with nothing read of the answer yet."""
    opened = socket.create_connection((host, port))
    opened.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    return opened


def main() -> None:
    asked = json.loads(sys.stdin.readline())
    readers = [Reader(connect(asked["host"], asked["port"], path)) for path in asked["paths"]]
    selector = selectors.DefaultSelector()
    for reader in readers:
        head = reader.socket.recv(READ_BYTES)
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"a reader was answered {head[:200]!r}")
        selector.register(reader.socket, selectors.EVENT_READ, reader)
    selector.register(sys.stdin, selectors.EVENT_READ, None)
    print("ready", flush=True)
    began_cpu_s = time.process_time()
    reads, ended = 0, False
    while ready := selector.select(QUIET_S if ended else None):
        for key, _ in ready:
            if key.data is None:
                selector.unregister(sys.stdin)
                ended = True
                continue
            reads += 1
            if not key.data.read():
                selector.unregister(key.data.socket)
    cpu_s = time.process_time() - began_cpu_s
    print(json.dumps(asdict(received_by(readers, Path(asked["log"]), cpu_s, reads))))


def received_by(readers: Sequence[Reader], log: Path, cpu_s: float, reads: int) -> Received:
    """Compare what readers got with the log of what was published."""
    published: dict[bytes, tuple[int, int]] = {}
    for number, line in enumerate(log.read_bytes().splitlines()):
        name, _, moment = line.partition(b" ")
        published[name] = (number, int(moment))
    took_ms: list[float] = []
    counts: list[int] = []
    out_of_order, last_ns = 0, 0
    for reader in readers:
        numbers = []
        for at, ids in reader.batches:
            known = [published[one] for one in ids if one in published]
            took_ms += [(at - sent) / 1e6 for _, sent in known]
            numbers += [number for number, _ in known]
            last_ns = max(last_ns, at)
        counts.append(len(numbers))
        out_of_order += any(a >= b for a, b in pairwise(numbers))
    first_ns = min((sent for _, sent in published.values()), default=0)
    return Received(
        deliveries=len(took_ms),
        fewest=min(counts),
        most=max(counts),
        out_of_order=out_of_order,
        p50_ms=percentile(took_ms, 50) if took_ms else 0.0,
        p99_ms=percentile(took_ms, 99) if took_ms else 0.0,
        max_ms=max(took_ms, default=0.0),
        seconds=max(0, last_ns - first_ns) / 1e9,
        cpu_s=cpu_s,
        reads=reads,
    )


if __name__ == "__main__":
    main()
