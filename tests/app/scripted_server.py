"""A real HTTP server that answers by script, to test clients against."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

STREAM = "/api/neurorail/v1/stream/events"


@dataclass
class Seen:
    """One request as it arrived."""

    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]


@dataclass
class Script:
    """What the server answers, and what it was asked."""

    json: dict[str, tuple[int, Any]] = field(default_factory=dict)
    streams: list[bytes | int] = field(default_factory=list)
    """For each connection to the stream in turn: what is sent before it closes, or a status."""
    seen: list[Seen] = field(default_factory=list)
    url: str = ""


def event(event_id: str, event_type: str, **data: Any) -> bytes:
    """One message of the stream."""
    body = {"channel": "lifecycle", "event_type": event_type, "timestamp": 1.5, "data": data}
    return f"id: {event_id}\ndata: {json.dumps(body)}\n\n".encode()


@contextmanager
def scripted_server(script: Script) -> Iterator[Script]:
    """Serve the script on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            script.seen.append(Seen(parts.path, parse_qs(parts.query), dict(self.headers)))
            if parts.path == STREAM:
                self._stream()
                return
            status, body = script.json.get(parts.path, (404, {"detail": "nothing here"}))
            encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.do_GET()

        def _stream(self) -> None:
            answer = script.streams.pop(0) if script.streams else 410
            self.send_response(answer if isinstance(answer, int) else 200)
            self.end_headers()
            if isinstance(answer, bytes):
                self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
