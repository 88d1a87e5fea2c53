"""The gRPC listener's process: speaks gRPC, and asks the server about every request.

gRPC's threads and objects would share the server's interpreter lock and make all of it wait. This
process reads no request: it hands on bodies, and gives back what the server answers.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib.util import find_spec
from typing import Any, Final

import grpc
import grpc.aio

from neurorail.collector.otlp import listener_messages as messages
from neurorail.collector.otlp.listener_link import BrokenLinkError, Frame, Kind, Link, connect
from neurorail.collector.own_process import begin
from neurorail.collector.resident_memory import rss_bytes

SWITCH_INTERVAL_S: Final = 0.001
GC_THRESHOLD: Final = (50_000, 20, 50)
STATS_INTERVAL_S: Final = 0.5
MANY_CALLS: Final = 8
GATHER_S: Final = 0.001
"""While so many calls wait for their answers, the next ones leave together, so often: each message
of its own would wake the server. The timers of the event loop know no shorter time."""
CALLERS_MAX: Final = 512
"""Distinct metadata that the server remembers; beyond it all is told anew."""
ANSWER_BYTES_MAX: Final = 16 << 20
_STATUS: Final[Mapping[int, grpc.StatusCode]] = {code.value[0]: code for code in grpc.StatusCode}

_Context = Any  # grpc.aio.ServicerContext is generic over messages, which are bytes here
_Handler = Callable[[bytes, _Context], Awaitable[bytes]]


class Held:
    """Requests that the server has not answered yet, and how many there may be.

    A call that its client gave up counts until the server answers it: so long it is in memory.
    """

    def __init__(self, limits: messages.Limits) -> None:
        self._limits = limits
        self._bytes = 0
        self._number = 0
        self._calls: dict[int, tuple[int, asyncio.Future[Frame]]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def too_much(self, size_bytes: int) -> messages.Refused | None:
        """Why a request of this size cannot be held now; what the server would say."""
        limits = self._limits
        if len(self._calls) >= limits.inflight_requests:
            count, what, limit = len(self._calls), "requests", limits.inflight_requests
        elif self._bytes + size_bytes > limits.inflight_bytes:
            count, what, limit = self._bytes, "bytes of requests", limits.inflight_bytes
        else:
            return None
        message = f"{count} {what} are in work, the limit is {limit}"
        text = message.encode()
        # A google.rpc.Status: code, message (its length is one byte: two numbers), details.
        head = bytes((0x08, grpc.StatusCode.UNAVAILABLE.value[0], 0x12, len(text)))
        return messages.Refused(message, head + text + limits.retry_details)

    def hold(self, size_bytes: int) -> tuple[int, asyncio.Future[Frame]]:
        """Count a request; its number, and its answer to come."""
        self._number += 1
        future: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._calls[self._number] = (size_bytes, future)
        self._bytes += size_bytes
        return self._number, future

    def answered(self, frame: Frame) -> None:
        """The server answers a request.

        Raises:
            BrokenLinkError: nobody waits for that.
        """
        found = self._calls.pop(frame.number, None)
        if found is None:
            raise BrokenLinkError(f"an answer to request {frame.number}, which is not held")
        size_bytes, future = found
        self._bytes -= size_bytes
        if not future.done():  # It is if the client gave up.
            future.set_result(frame)


class Listener:
    """A gRPC server whose every answer comes over the link."""

    def __init__(self) -> None:
        self._server: grpc.aio.Server | None = None
        self._certificates: grpc.ServerCertificateConfiguration | None = None
        self._callers: dict[object, int] = {}
        self._told_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._gone = asyncio.Event()
        self._link: Link
        self._held: Held

    async def run(self, end: socket.socket) -> None:
        """Do what the server says until it says stop."""
        self._link = await connect(end, lambda: Link(self._take, self._lost, ANSWER_BYTES_MAX))
        await self._gone.wait()

    def _lost(self) -> None:
        if not self._stopped:
            os._exit(1)  # The server is gone, and with it everybody's answers.
        self._gone.set()

    def _take(self, frame: Frame) -> None:
        match frame.kind:
            case Kind.ANSWER | Kind.REFUSAL:
                self._held.answered(frame)
            case Kind.LISTEN:
                self._run(self._listen(messages.unpack_listen(frame.payload)))
            case Kind.RELOAD:
                self._certificates = _configuration(messages.unpack_certificates(frame.payload))
            case Kind.STOP:
                self._run(self._stop(frame.number / 1000))
            case _:
                raise BrokenLinkError(f"a server does not say {frame.kind.name}")

    def _run(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self, listen: messages.Listen) -> None:
        held = self._held = Held(listen.limits)
        self._link.pause_s = lambda: GATHER_S if len(held) > MANY_CALLS else 0.0
        try:
            server = grpc.aio.server(options=listen.options)
            server.add_generic_rpc_handlers(
                tuple(
                    grpc.method_handlers_generic_handler(
                        service,
                        {"Export": grpc.unary_unary_rpc_method_handler(self._export(signal_))},
                    )
                    for signal_, service in enumerate(listen.services)
                )
            )
            if listen.certificates is None:
                port = server.add_insecure_port(listen.address)
            else:
                credentials = self._credentials(listen.certificates)
                port = server.add_secure_port(listen.address, credentials)
            await server.start()
        except Exception as error:
            self._link.send(Frame(Kind.FAILED, payload=str(error).encode()))
            return
        self._server = server
        self._tell_stats()
        self._link.send(Frame(Kind.LISTENING, port))

    def _credentials(self, certificates: messages.Certificates) -> grpc.ServerCredentials:
        return grpc.dynamic_ssl_server_credentials(
            _configuration(certificates),
            # Asked at every handshake, on a thread of gRPC's; None: nothing changed.
            lambda: self._certificates,  # type: ignore[arg-type,return-value]
            require_client_authentication=certificates.client_authority is not None,
        )

    async def _stop(self, grace_s: float) -> None:
        if self._server is not None:
            await self._server.stop(grace_s)
        self._stopped = True
        self._link.close()

    def _export(self, signal_: int) -> _Handler:
        async def export(body: bytes, context: _Context) -> bytes:
            refused = self._held.too_much(len(body))
            if refused is not None:
                self._link.send(Frame(Kind.REFUSED, code=signal_))
                await _abort(context, grpc.StatusCode.UNAVAILABLE, refused)
            number, answer = self._held.hold(len(body))
            caller = self._caller(context.invocation_metadata())
            self._link.send(Frame(Kind.REQUEST, number, caller, signal_, body))
            del body
            if time.monotonic() - self._told_at >= STATS_INTERVAL_S:
                self._tell_stats()
            frame = await answer
            if frame.kind is Kind.REFUSAL:
                refused = messages.unpack_refused(frame.payload)
                await _abort(context, _STATUS[frame.code], refused)
            return frame.payload

        return export

    def _caller(self, metadata: Any) -> int:
        """The number of this metadata; the server is told what it does not know yet."""
        caller = self._callers.get(metadata)
        if caller is None:
            if len(self._callers) == CALLERS_MAX:
                self._callers.clear()
            caller = self._callers[metadata] = len(self._callers)
            payload = messages.pack_metadata(metadata)
            self._link.send(Frame(Kind.CALLER, caller=caller, payload=payload))
        return caller

    def _tell_stats(self) -> None:
        self._told_at = time.monotonic()
        stats = messages.Stats(rss_bytes(), time.process_time())
        self._link.send(Frame(Kind.STATS, payload=messages.pack(stats)))


async def _abort(context: _Context, code: grpc.StatusCode, refused: messages.Refused) -> None:
    details = ((messages.DETAILS_KEY, refused.details),)
    await context.abort(code, refused.message, trailing_metadata=details)
    raise AssertionError("abort returned")


def _configuration(
    certificates: messages.Certificates,
) -> grpc.ServerCertificateConfiguration:
    pair = (certificates.key, certificates.cert)
    return grpc.ssl_server_certificate_configuration([pair], certificates.client_authority)


def _event_loop() -> asyncio.AbstractEventLoop:
    if find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


def main() -> None:
    """`python -m neurorail.collector.otlp.listener FD PARENT`: the link, and whose it is."""
    end = begin("gRPC listener")
    if end is None:
        return
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(*GC_THRESHOLD)
    gc.collect()
    gc.freeze()
    with asyncio.Runner(loop_factory=_event_loop) as runner:
        runner.run(Listener().run(end))


if __name__ == "__main__":
    main()
