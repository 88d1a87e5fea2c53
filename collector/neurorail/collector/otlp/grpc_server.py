"""OTLP over gRPC: the three Export services on grpc.aio, with raw bytes in and out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from neurorail.collector.otlp.config import ReceiverConfig, TlsConfig
from neurorail.collector.otlp.headers import Headers
from neurorail.collector.otlp.intake import Intake, Request
from neurorail.collector.otlp.refusal import Refusal
from neurorail.collector.otlp.signals import SPECS, SignalSpec
from neurorail.collector.otlp.status import MAX_MESSAGE_CHARS, Encoding, status_message

GRPC: Final = "grpc"
_MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
_DETAILS_KEY: Final = "grpc-status-details-bin"
_STATUS: Final[Mapping[int, grpc.StatusCode]] = {code.value[0]: code for code in grpc.StatusCode}

_Context = Any  # grpc.aio.ServicerContext is generic over messages, which are bytes here
_Handler = Callable[[bytes, _Context], Awaitable[bytes]]


class GrpcReceiver:
    """Listens for OTLP over gRPC."""

    def __init__(self, config: ReceiverConfig, intake: Intake) -> None:
        self._config = config
        self._intake = intake
        self._server: grpc.aio.Server | None = None
        self._port: int | None = None
        self._reloaded: grpc.ServerCertificateConfiguration | None = None

    @property
    def port(self) -> int:
        """The port it listens on.

        Raises:
            RuntimeError: not started.
        """
        if self._port is None:
            raise RuntimeError("the gRPC receiver is not started: call start() first")
        return self._port

    async def start(self) -> None:
        """Bind and listen.

        Raises:
            RuntimeError: the address cannot be bound.
            OSError: a TLS file cannot be read.
        """
        grpc_config = self._config.grpc
        server = grpc.aio.server(options=server_options(self._config))
        server.add_generic_rpc_handlers(tuple(self._handlers(spec) for spec in SPECS))
        address = f"{grpc_config.host}:{grpc_config.port}"
        if grpc_config.tls is None:
            self._port = server.add_insecure_port(address)
        else:
            self._port = server.add_secure_port(address, self._credentials(grpc_config.tls))
        await server.start()
        self._server = server

    def _credentials(self, tls: TlsConfig) -> grpc.ServerCredentials:
        return grpc.dynamic_ssl_server_credentials(
            _certificates(tls),
            # Asked at every handshake, on a thread of gRPC's; None: nothing changed.
            lambda: self._reloaded,  # type: ignore[arg-type,return-value]
            require_client_authentication=tls.client_ca_file is not None,
        )

    def reload_certificates(self) -> None:
        """Read certificate and key anew; connections made from now on see them.

        Raises:
            OSError: a file cannot be read.
        """
        if self._config.grpc.tls is not None:
            self._reloaded = _certificates(self._config.grpc.tls)

    async def stop(self) -> None:
        """Take no new calls, let those in flight end, close. Idempotent."""
        server, self._server, self._port = self._server, None, None
        if server is not None:
            await server.stop(self._config.grpc.stop_grace_s)

    def _handlers(self, spec: SignalSpec) -> grpc.GenericRpcHandler[bytes, bytes]:
        handler = grpc.unary_unary_rpc_method_handler(self._export(spec))
        return grpc.method_handlers_generic_handler(spec.service, {"Export": handler})

    def _export(self, spec: SignalSpec) -> _Handler:
        async def export(body: bytes, context: _Context) -> bytes:
            answer = await self._answer(spec, body, context)
            if not isinstance(answer, Refusal):
                return answer
            await _abort(context, answer)
            raise AssertionError("abort returned")

        return export

    async def _answer(self, spec: SignalSpec, body: bytes, context: _Context) -> bytes | Refusal:
        intake = self._intake
        size = len(body)
        try:
            caller = intake.enter(spec, GRPC, Headers(context.invocation_metadata))
            if isinstance(caller, Refusal):
                return caller
            refusal = intake.hold(size)
            if refusal is not None:
                return intake.refuse(spec, GRPC, refusal)
        except Exception as error:
            return intake.fault(spec, GRPC, error)
        try:
            return await intake.take(Request(spec, GRPC, Encoding.PROTOBUF, body, caller))
        finally:
            intake.release(size)


async def _abort(context: _Context, refusal: Refusal) -> None:
    details = status_message(refusal).SerializeToString()
    await context.abort(
        _STATUS[int(refusal.code)],
        refusal.message[:MAX_MESSAGE_CHARS],
        trailing_metadata=((_DETAILS_KEY, details),),
    )


def server_options(config: ReceiverConfig) -> list[tuple[str, int]]:
    """The HTTP/2 and gRPC settings of the listener; every limit stated, none left to defaults.

    There is no limit on concurrent calls here: gRPC would refuse with RESOURCE_EXHAUSTED and no
    retry delay, after which clients throw their data away. The intake refuses retryably instead.
    """
    grpc_config = config.grpc
    return [
        # Holds before and after decompression; over it gRPC answers RESOURCE_EXHAUSTED itself.
        ("grpc.max_receive_message_length", config.max_request_bytes),
        ("grpc.max_send_message_length", _MAX_ANSWER_BYTES),
        ("grpc.max_metadata_size", grpc_config.max_metadata_bytes),
        ("grpc.max_concurrent_streams", grpc_config.max_concurrent_streams),
        ("grpc.keepalive_time_ms", grpc_config.keepalive_time_ms),
        ("grpc.keepalive_timeout_ms", grpc_config.keepalive_timeout_ms),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", grpc_config.min_ping_interval_ms),
        ("grpc.max_connection_idle_ms", grpc_config.max_connection_idle_ms),
        # Two servers on one port would each get some of the calls; the second must fail instead.
        ("grpc.so_reuseport", 0),
    ]


def _certificates(tls: TlsConfig) -> grpc.ServerCertificateConfiguration:
    pair = (Path(tls.key_file).read_bytes(), Path(tls.cert_file).read_bytes())
    authority = None if tls.client_ca_file is None else Path(tls.client_ca_file).read_bytes()
    return grpc.ssl_server_certificate_configuration([pair], authority)
