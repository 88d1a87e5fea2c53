"""Sends requests to an OTLP endpoint over gRPC; only who does so loads gRPC."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import grpc

from neurorail.collector.export.clients import USER_AGENT, OwnHeaders
from neurorail.collector.export.config import Destination
from neurorail.collector.export.outcome import Outcome, Verdict, accepted, from_grpc
from neurorail.collector.otlp.signals import SignalSpec

_RECONNECT_MS: Final = 500


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
