"""OTLP over gRPC: the three Export services, with raw bytes in and out.

gRPC itself is spoken in a process of its own, `listener`; here its requests are decided.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from neurorail.collector.otlp import listener_messages as messages
from neurorail.collector.otlp.auth import Caller
from neurorail.collector.otlp.config import ReceiverConfig, TlsConfig
from neurorail.collector.otlp.headers import Headers
from neurorail.collector.otlp.intake import Intake, Request
from neurorail.collector.otlp.listener_link import Frame, Kind, Link
from neurorail.collector.otlp.listener_process import ListenerProcess
from neurorail.collector.otlp.refusal import Refusal, unavailable
from neurorail.collector.otlp.signals import SPECS, SignalSpec
from neurorail.collector.otlp.status import (
    MAX_MESSAGE_CHARS,
    Encoding,
    status_details,
    status_message,
)

GRPC: Final = "grpc"
_MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024


class GrpcReceiver:
    """Listens for OTLP over gRPC."""

    def __init__(self, config: ReceiverConfig, intake: Intake) -> None:
        self._config = config
        self._intake = intake
        self._port: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._callers: dict[int, Headers] = {}
        self.process = ListenerProcess(self._take, config.max_request_bytes)
        """The process that speaks gRPC."""

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
        config, grpc_config = self._config, self._config.grpc
        tls = grpc_config.tls
        listen = messages.Listen(
            options=server_options(config),
            address=f"{grpc_config.host}:{grpc_config.port}",
            services=[spec.service for spec in SPECS],
            limits=messages.Limits(
                config.max_inflight_requests,
                config.max_inflight_bytes,
                status_details(unavailable("", config.retry_delay_s)),
            ),
            certificates=None if tls is None else _certificates(tls),
        )
        self._port = await self.process.start(listen, grpc_config.host)

    def reload_certificates(self) -> None:
        """Read certificate and key anew; connections made from now on see them.

        Raises:
            OSError: a file cannot be read.
        """
        if self._config.grpc.tls is not None:
            self.process.reload(_certificates(self._config.grpc.tls))

    async def stop(self) -> None:
        """Take no new calls, let those in flight end, close. Idempotent."""
        self._port = None
        await self.process.stop(self._config.grpc.stop_grace_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take(self, link: Link, frame: Frame) -> None:
        if frame.kind is Kind.REQUEST:
            self._request(link, frame)
        elif frame.kind is Kind.CALLER:
            metadata = messages.unpack_metadata(frame.payload)
            self._callers[frame.caller] = Headers(lambda: metadata)
        else:
            spec, limits = SPECS[frame.code], self._config
            refusal = unavailable("the listener holds too much", limits.retry_delay_s)
            self._intake.refuse(spec, GRPC, refusal)

    def _request(self, link: Link, frame: Frame) -> None:
        spec = SPECS[frame.code]
        caller = self._enter(spec, self._callers[frame.caller], len(frame.payload))
        if isinstance(caller, Refusal):
            _answer(link, frame.number, caller)
            return
        request = Request(spec, GRPC, Encoding.PROTOBUF, frame.payload, caller)
        task = asyncio.get_running_loop().create_task(self._finish(link, frame.number, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _enter(self, spec: SignalSpec, headers: Headers, size_bytes: int) -> Caller | Refusal:
        intake = self._intake
        try:
            caller = intake.enter(spec, GRPC, headers)
            if isinstance(caller, Refusal):
                return caller
            refusal = intake.hold(size_bytes)
            return caller if refusal is None else intake.refuse(spec, GRPC, refusal)
        except Exception as error:
            return intake.fault(spec, GRPC, error)

    async def _finish(self, link: Link, number: int, request: Request) -> None:
        try:
            answer = await self._intake.take(request)
        finally:
            self._intake.release(len(request.body))
        _answer(link, number, answer)


def _answer(link: Link, number: int, answer: bytes | Refusal) -> None:
    """Answer a request; whoever asked it may be gone, and the listener with them."""
    if not isinstance(answer, Refusal):
        link.send(Frame(Kind.ANSWER, number, payload=answer))
        return
    details: bytes = status_message(answer).SerializeToString()
    refused = messages.Refused(answer.message[:MAX_MESSAGE_CHARS], details)
    link.send(Frame(Kind.REFUSAL, number, code=answer.code, payload=messages.pack(refused)))


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
        # Clients wait when a connection has its streams. gRPC would also refuse new ones, without
        # a delay, while it tidies up after those that ended. That guards against clients that open
        # and cancel calls without end, too; what is left against them is the limit on what is held.
        ("grpc.http.overload_protection", 0),
        ("grpc.keepalive_time_ms", grpc_config.keepalive_time_ms),
        ("grpc.keepalive_timeout_ms", grpc_config.keepalive_timeout_ms),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", grpc_config.min_ping_interval_ms),
        ("grpc.max_connection_idle_ms", grpc_config.max_connection_idle_ms),
        # Two servers on one port would each get some of the calls; the second must fail instead.
        ("grpc.so_reuseport", 0),
    ]


def _certificates(tls: TlsConfig) -> messages.Certificates:
    return messages.Certificates(
        Path(tls.key_file).read_bytes(),
        Path(tls.cert_file).read_bytes(),
        None if tls.client_ca_file is None else Path(tls.client_ca_file).read_bytes(),
    )
