"""Sends one request to an OTLP endpoint, over gRPC or HTTP."""

from __future__ import annotations

import gzip
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Protocol

import urllib3

from neurorail.collector.export.config import Destination
from neurorail.collector.export.outcome import Outcome, Verdict, accepted, from_http
from neurorail.collector.otlp.signals import SignalSpec

USER_AGENT: Final = "neurorail-exporter"
_PROTOBUF: Final = "application/x-protobuf"
_ANSWER_BYTES_MAX: Final = 4 << 20


OwnHeaders = Callable[[], Mapping[str, str]]
"""What a request says of the server it comes from, at the time that it is sent."""


class Client(Protocol):
    """A connection to an endpoint. Used by one thread; `close` may come from another."""

    def send(self, spec: SignalSpec, body: bytes) -> Outcome:
        """Send an export request and wait for its answer; never raises for the endpoint's sake."""
        ...

    def close(self) -> None:
        """Let go of the connection; a call that is under way ends soon."""
        ...


def connect(destination: Destination, own: OwnHeaders) -> Client:
    """The client of a destination. It connects when it first sends, and says which server it is.

    Raises:
        OSError: a file of the destination cannot be read.
        ValueError: the headers' file is malformed.
    """
    if destination.protocol == "grpc":
        # Few servers export over gRPC, and none of the others needs its library.
        from neurorail.collector.export.grpc_client import GrpcClient

        return GrpcClient(destination, own)
    return HttpClient(destination, own)


class HttpClient:
    """`Client` over HTTP/1.1 with protobuf bodies."""

    def __init__(self, destination: Destination, own: OwnHeaders) -> None:
        self._base = destination.endpoint.rstrip("/")
        self._gzipped = destination.compression == "gzip"
        self._own = own
        self._headers = {
            "user-agent": USER_AGENT,
            **destination.all_headers(),
            "content-type": _PROTOBUF,
        }
        if self._gzipped:
            self._headers["content-encoding"] = "gzip"
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=1,
            retries=False,
            timeout=destination.timeout_s,
            ssl_context=_tls(destination) if destination.secure else None,
        )

    def send(self, spec: SignalSpec, body: bytes) -> Outcome:
        """See `Client.send`."""
        sent = gzip.compress(body, compresslevel=1) if self._gzipped else body
        try:
            answer = self._pool.request(
                "POST",
                self._base + spec.path,
                body=sent,
                headers={**self._headers, **self._own()},
                redirect=False,
                preload_content=False,
            )
            try:
                said = answer.read(_ANSWER_BYTES_MAX)
                answer.drain_conn()
            finally:
                answer.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return Outcome(Verdict.RETRY, f"{type(error).__name__}: {error}"[:300])
        if 200 <= answer.status < 300:
            return accepted(spec, said)
        after = answer.headers.get("retry-after")
        return from_http(answer.status, said[:200].decode("utf-8", "replace"), after, _now())

    def close(self) -> None:
        """See `Client.close`."""
        self._pool.clear()


def _tls(destination: Destination) -> ssl.SSLContext:
    cafile = None if destination.ca_file is None else str(destination.ca_file)
    context = ssl.create_default_context(cafile=cafile)
    if destination.cert_file is not None:
        context.load_cert_chain(destination.cert_file, destination.key_file)
    return context


def _now() -> datetime:
    return datetime.now(UTC)
