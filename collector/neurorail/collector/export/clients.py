"""Sends one request to an OTLP endpoint, over gRPC or HTTP."""

from __future__ import annotations

import gzip
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Protocol
from urllib.parse import urlsplit

import grpc
import urllib3

from neurorail.collector.export.config import Destination
from neurorail.collector.export.outcome import Outcome, Verdict, accepted, from_grpc, from_http
from neurorail.collector.otlp.signals import SignalSpec

USER_AGENT: Final = "neurorail-exporter"
_PROTOBUF: Final = "application/x-protobuf"
_RECONNECT_MS: Final = 500
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
    kind = GrpcClient if destination.protocol == "grpc" else HttpClient
    return kind(destination, own)


class GrpcClient:
    """`Client` over gRPC."""

    def __init__(self, destination: Destination, own: OwnHeaders) -> None:
        self._timeout_s = destination.timeout_s
        self._headers = destination.all_headers()
        self._own = own
        self._channel = _channel(destination)

    def send(self, spec: SignalSpec, body: bytes) -> Outcome:
        """See `Client.send`."""
        try:
            metadata = tuple({**self._headers, **self._own()}.items())
            export = self._channel.unary_unary(f"/{spec.service}/Export", None, None)
            answer: bytes = export(body, timeout=self._timeout_s, metadata=metadata)
        except grpc.RpcError as error:
            call: grpc.Call = error  # type: ignore[assignment]
            return from_grpc(call.code().name, call.details() or "", _status_details(call))
        except ValueError as error:  # The channel was closed.
            return Outcome(Verdict.RETRY, str(error))
        return accepted(spec, answer)

    def close(self) -> None:
        """See `Client.close`."""
        self._channel.close()


def _channel(destination: Destination) -> grpc.Channel:
    parts = urlsplit(destination.endpoint)
    target = parts.netloc if parts.port is not None else f"{parts.netloc}:4317"
    options = (
        ("grpc.primary_user_agent", USER_AGENT),
        ("grpc.initial_reconnect_backoff_ms", _RECONNECT_MS),
        # Our own back-off decides; the channel's must not keep an endpoint away that is back.
        ("grpc.min_reconnect_backoff_ms", _RECONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", max(_RECONNECT_MS, destination.retry_delay_ms_max)),
    )
    gzipped = destination.compression == "gzip"
    compression = grpc.Compression.Gzip if gzipped else grpc.Compression.NoCompression
    if not destination.secure:
        return grpc.insecure_channel(target, options, compression)
    credentials = grpc.ssl_channel_credentials(
        *(
            None if file is None else file.read_bytes()
            for file in (destination.ca_file, destination.key_file, destination.cert_file)
        )
    )
    return grpc.secure_channel(target, credentials, options, compression)


def _status_details(call: grpc.Call) -> bytes | None:
    for key, value in call.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            return value if isinstance(value, bytes) else None
    return None


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
