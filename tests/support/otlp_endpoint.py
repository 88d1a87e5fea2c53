"""A real OTLP endpoint on loopback, over gRPC or HTTP: keeps what it gets, answers as told."""

from __future__ import annotations

import gzip
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from tests.support.waiting import PATIENCE_S

from neurorail.collector.otlp.signals import BY_PATH, SPECS


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: a status of HTTP (200, 503 …) or a gRPC code's name, with what goes with it."""

    status: int | str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    details: bytes = b""
    """`grpc-status-details-bin`."""


@dataclass(frozen=True, slots=True)
class Got:
    """A request that arrived, decompressed."""

    signal: str
    body: bytes
    headers: Mapping[str, str]


@dataclass
class Endpoint:
    """What arrived, and what the next requests are answered; when nothing is left: success."""

    address: str = ""
    got: list[Got] = field(default_factory=list)
    answers: deque[Said] = field(default_factory=deque)
    decide: Callable[[Got], Said | None] = lambda _: None
    """Asked when `answers` is empty."""
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, got: Got, success: Said) -> Said:
        """Keep a request and say what it is answered."""
        with self._changed:
            said = self.answers.popleft() if self.answers else self.decide(got) or success
            self.got.append(got)
            self._changed.notify_all()
        return said

    def wait(self, done: Callable[[list[Got]], Any], timeout_s: float = PATIENCE_S) -> Any:
        """What `done` gives of all requests as soon as it is true."""
        with self._changed:
            found = self._changed.wait_for(lambda: done(self.got), timeout_s)
        assert found, f"not within {timeout_s} s; got {len(self.got)} requests"
        return found


@contextmanager
def http_endpoint(port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Endpoint]:
    """OTLP/HTTP with protobuf."""
    endpoint = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        """Else every answer waits 40 ms for its client to acknowledge the headers."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            headers = {name.lower(): value for name, value in self.headers.items()}
            got = Got(BY_PATH[self.path].name, body, headers)
            said = endpoint.take(got, Said(200))
            assert isinstance(said.status, int)
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    scheme = "http" if tls is None else "https"
    endpoint.address = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Services(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._by_method = {f"/{spec.service}/Export": spec for spec in SPECS}

    def service(
        self, details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        spec = self._by_method.get(details.method)
        if spec is None:
            return None

        def export(body: bytes, context: grpc.ServicerContext) -> bytes:
            headers = {key: str(value) for key, value in context.invocation_metadata()}
            said = self._endpoint.take(Got(spec.name, body, headers), Said("OK"))
            if said.status != "OK":
                if said.details:
                    context.set_trailing_metadata((("grpc-status-details-bin", said.details),))
                context.abort(grpc.StatusCode[str(said.status)], said.body.decode())
            return said.body

        return grpc.unary_unary_rpc_method_handler(export)


@contextmanager
def grpc_endpoint(
    port: int = 0, credentials: grpc.ServerCredentials | None = None
) -> Iterator[Endpoint]:
    """OTLP/gRPC."""
    endpoint = Endpoint()
    with ThreadPoolExecutor(4) as workers:
        server = grpc.server(workers, [_Services(endpoint)])
        listening = f"127.0.0.1:{port}"
        if credentials is None:
            bound = server.add_insecure_port(listening)
        else:
            bound = server.add_secure_port(listening, credentials)
        server.start()
        scheme = "http" if credentials is None else "https"
        endpoint.address = f"{scheme}://127.0.0.1:{bound}"
        try:
            yield endpoint
        finally:
            server.stop(0).wait()
