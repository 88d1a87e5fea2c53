"""The listener's process under load, limits and signals: no answer is lost or mixed up."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Mapping
from typing import Any

import grpc
import grpc.aio
import psutil
import pytest
from tests.collector.otlp.calls import Call, SlowInbox, connected, details, failure, trailers
from tests.collector.otlp.conftest import Running, Start
from tests.collector.otlp.fakes import KEY, MemoryInbox
from tests.collector.otlp.telemetry import attribute, spans

from neurorail.collector.envelope import Signal
from neurorail.collector.otlp.auth import Caller
from neurorail.collector.otlp.config import GrpcConfig, ReceiverConfig
from neurorail.collector.otlp.listener import CALLERS_MAX, Held
from neurorail.collector.otlp.listener_link import BrokenLinkError, Frame, Kind
from neurorail.collector.otlp.listener_messages import Limits
from neurorail.collector.otlp.listener_process import ListenerProcess
from neurorail.collector.otlp.receivers import Receivers
from neurorail.collector.otlp.refusal import Refusal, unavailable
from neurorail.collector.otlp.status import status_details, status_message

PATIENCE_S = 60
MIB = 1 << 20
SPAN = spans(count=1).SerializeToString()


def listener(running: Running) -> ListenerProcess:
    return running.receivers.grpc.process


def process_of(running: Running) -> psutil.Process:
    pid = listener(running).pid
    assert pid is not None
    return psutil.Process(pid)


async def gone(process: psutil.Process) -> None:
    await asyncio.to_thread(process.wait, PATIENCE_S)


async def until(look: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not look():
            await asyncio.sleep(0.01)


def numbered(number: int) -> bytes:
    """A request of one span that is told from all others by its id."""
    return spans({"span_id": number.to_bytes(8, "big")}).SerializeToString()


async def taken(export: Call, body: bytes) -> int:
    """Send a body, as exporters do, until it is taken; how often that took."""
    async with asyncio.timeout(PATIENCE_S):
        for attempt in range(1, 1_000_000):
            try:
                await export(Signal.TRACES, body, timeout=PATIENCE_S)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                await asyncio.sleep(0.01)
            else:
                return attempt
    raise AssertionError("unreachable")


# ── answers ──────────────────────────────────────────────────────────────────────────────────


async def test_many_calls_at_once_get_their_own_answers(running: Running) -> None:
    def body(number: int) -> bytes:
        bad: list[dict[str, Any]] = [{"span_id": b""}] * (number % 7)
        return spans({"span_id": (number + 1).to_bytes(8, "big")}, *bad).SerializeToString()

    room = asyncio.Semaphore(200)

    async with connected(running) as export:

        async def send(number: int) -> Any:
            async with room:
                return await export(Signal.TRACES, body(number))

        answers = await asyncio.gather(*(send(n) for n in range(900)))

    assert [a.partial_success.rejected_spans for a in answers] == [n % 7 for n in range(900)]
    assert len({each.body for each in running.inbox.telemetry}) == 900
    assert len(running.inbox.telemetry) == 900


def as_large_as(size_bytes: int) -> bytes:
    """A request of exactly so many bytes."""
    request = spans(count=1)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.append(attribute("padding", "x" * size_bytes))
    padding = span.attributes[0].value
    padding.string_value = "x" * (size_bytes - (request.ByteSize() - size_bytes))
    return request.SerializeToString()


async def test_the_largest_request_is_taken_and_one_byte_more_is_not(start: Start) -> None:
    running = await start(ReceiverConfig(store_content=True))
    largest, too_large = as_large_as(64 * MIB), as_large_as(64 * MIB + 1)
    assert (len(largest), len(too_large)) == (64 * MIB, 64 * MIB + 1)

    async with connected(running) as export:
        small = [asyncio.ensure_future(export(Signal.TRACES, numbered(n))) for n in range(1, 20)]
        await export(Signal.TRACES, largest)
        error = await failure(export(Signal.TRACES, too_large))
        await asyncio.gather(*small)

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    bodies = [each.body for each in running.inbox.telemetry]
    assert len(bodies) == 20
    assert largest in bodies


class _Recording:
    """Takes everybody, and keeps what they sent of themselves."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []

    def authenticate(self, headers: Mapping[str, str], signal: str) -> Caller | Refusal:
        self.headers.append(dict(headers))
        return Caller("acme", headers["x-who"])


async def test_metadata_is_told_once_and_then_meant(start: Start) -> None:
    recording = _Recording()
    running = await start(authenticator=recording)
    count = CALLERS_MAX + 50

    async with connected(running) as export:
        for number in [*range(count), 0, 1, count - 1]:
            await export(Signal.TRACES, SPAN, metadata=(("x-who", str(number)),))
        await export(
            Signal.TRACES,
            SPAN,
            metadata=(("x-who", "a"), ("x-who", "b"), ("x-it-bin", b"\x00\xff")),
        )

    principals = [each.principal for each in running.inbox.submissions]
    assert principals == [*(str(n) for n in range(count)), "0", "1", str(count - 1), "a"]
    assert recording.headers[-1]["x-it-bin"] == "\x00\xff"


# ── refusals and limits ──────────────────────────────────────────────────────────────────────


async def test_a_refusal_arrives_byte_for_byte(start: Start) -> None:
    refusal = unavailable("ein Grund, länger als nötig: " + "x" * 2_000, 2.5)

    class Overloaded:
        def check(self) -> Refusal:
            return refusal

    running = await start(pressure=Overloaded())
    async with connected(running) as export:
        error = await failure(export(Signal.TRACES, SPAN))

    assert error.details() == refusal.message[:1_000]
    expected = status_message(refusal).SerializeToString()
    assert trailers(error) == {"grpc-status-details-bin": expected}


def held(requests: int, size_bytes: int) -> Held:
    return Held(Limits(requests, size_bytes, status_details(unavailable("", 1.5))))


async def test_what_the_listener_refuses_is_what_the_server_would_say() -> None:
    holds = held(2, 1_000)
    holds.hold(900)

    for refused, message in (
        (holds.too_much(101), "900 bytes of requests are in work, the limit is 1000"),
        ((holds.hold(100), holds.too_much(0))[1], "2 requests are in work, the limit is 2"),
    ):
        assert refused is not None
        assert refused.message == message
        expected = status_message(unavailable(message, 1.5)).SerializeToString()
        assert refused.details == expected


async def test_what_is_answered_is_not_held_any_more() -> None:
    holds = held(2, 1_000)
    (first, given_up), (second, waits) = holds.hold(400), holds.hold(600)
    given_up.cancel()
    assert holds.too_much(1) is not None

    holds.answered(Frame(Kind.ANSWER, first))
    assert holds.too_much(400) is None
    assert holds.too_much(401) is not None
    holds.answered(Frame(Kind.ANSWER, second))

    assert (await waits).number == second
    assert len(holds) == 0
    with pytest.raises(BrokenLinkError, match="request 1, which is not held"):
        holds.answered(Frame(Kind.ANSWER, first))


async def test_too_much_is_refused_by_the_listener_and_counted(start: Start) -> None:
    inbox = SlowInbox()
    running = await start(ReceiverConfig(max_request_bytes=400, max_inflight_bytes=400), inbox)
    body = spans(count=4).SerializeToString()

    async with connected(running) as export:
        first = asyncio.ensure_future(export(Signal.TRACES, body))
        await inbox.arrived.wait()
        errors = [await failure(export(Signal.TRACES, body)) for _ in range(3)]
        inbox.go_on.set()
        await first

    message = f"{len(body)} bytes of requests are in work, the limit is 400"
    assert {error.details() for error in errors} == {message}
    assert details(errors[0])[1]["RetryInfo"].retry_delay.ToMilliseconds() == 1_000
    assert running.metrics.counts["request refused", Signal.TRACES, "grpc"] == 3


async def test_calls_that_are_given_up_leave_nothing_behind(start: Start) -> None:
    inbox = SlowInbox()
    running = await start(ReceiverConfig(max_inflight_requests=3), inbox)

    async with connected(running) as export:
        for round_ in range(3):
            inbox.arrived.clear()
            inbox.go_on.clear()
            calls = [
                asyncio.ensure_future(export(Signal.TRACES, numbered(10 * round_ + n)))
                for n in (1, 2, 3)
            ]
            await until(lambda: running.receivers._intake._inflight_requests == 3)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            assert "requests are in work" in str(
                (await failure(export(Signal.LOGS, b""))).details()
            )
            inbox.go_on.set()
            await taken(export, SPAN)

    await until(lambda: not running.receivers.grpc._tasks)
    assert running.receivers._intake._inflight_bytes == 0
    assert len(inbox.appends) == 12


# ── the process ──────────────────────────────────────────────────────────────────────────────


async def test_signals_are_the_servers_business(running: Running) -> None:
    process = process_of(running)
    for number in (signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)

    async with connected(running) as export:
        await export(Signal.TRACES, SPAN)

    assert listener(running).restarts == 0
    assert listener(running).pid == process.pid


async def test_it_says_what_it_uses(running: Running) -> None:
    stats = listener(running).stats

    assert stats.memory_rss > 1_000_000
    assert stats.cpu_seconds > 0


async def test_a_killed_listener_loses_nothing_that_was_acknowledged(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    port, killed = running.receivers.grpc.port, process_of(running)
    acknowledged: list[bytes] = []

    async def send(export: Call, first: int) -> None:
        for number in range(first, first + 100):
            await taken(export, numbered(number))
            acknowledged.append(numbered(number))
            if number == 450:
                killed.kill()

    async with connected(running) as export:
        async with asyncio.TaskGroup() as tasks:
            for first in range(1, 801, 100):
                tasks.create_task(send(export, first))
        await export(Signal.TRACES, SPAN)

    stored = {each.body for each in running.inbox.telemetry}
    assert len(acknowledged) == 800
    assert stored.issuperset(acknowledged)
    assert listener(running).restarts == 1
    assert listener(running).failure is None
    assert running.receivers.grpc.port == port
    assert "the gRPC listener was killed by SIGKILL; it is started again" in caplog.text
    await gone(killed)


async def test_a_listener_whose_port_is_taken_is_tried_again(running: Running) -> None:
    port, process = running.receivers.grpc.port, listener(running)
    process_of(running).kill()
    with socket.socket() as taker:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

        def bound() -> bool:
            try:
                taker.bind(("127.0.0.1", port))
            except OSError:
                return False
            return True

        await until(bound)
        taker.listen()
        await until(lambda: process.restarts >= 2)
        assert process.failure == "the gRPC listener was killed by SIGKILL"
    await until(lambda: process.failure is None)

    async with connected(running) as export:
        await export(Signal.TRACES, SPAN)


async def test_appends_under_way_go_on_when_the_listener_dies(start: Start) -> None:
    inbox = SlowInbox()
    running = await start(inbox=inbox)

    async with connected(running) as export:
        call = asyncio.ensure_future(export(Signal.TRACES, SPAN))
        await inbox.arrived.wait()
        process_of(running).kill()
        error = await failure(call)
        inbox.go_on.set()
        await taken(export, numbered(2))

    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert [append[0].body for append in inbox.appends] == [SPAN, numbered(2)]


async def test_a_listener_that_breaks_the_rules_is_replaced(running: Running) -> None:
    process = listener(running)
    run = process._run
    assert run is not None
    assert run._link is not None
    run._link.send(Frame(Kind.ANSWER, 4_711))  # Nobody asked.
    await until(lambda: process.restarts == 1 and process.failure is None)

    async with connected(running) as export:
        await export(Signal.TRACES, SPAN)


# ── stopping ─────────────────────────────────────────────────────────────────────────────────


async def test_stop_under_load_answers_what_it_took(running: Running) -> None:
    process = process_of(running)
    acknowledged: list[bytes] = []
    refused: set[grpc.StatusCode] = set()

    async def send(export: Call, first: int) -> None:
        for number in range(first, first + 100_000):
            try:
                await export(Signal.TRACES, numbered(number), timeout=PATIENCE_S)
            except grpc.aio.AioRpcError as error:
                refused.add(error.code())
                return
            acknowledged.append(numbered(number))

    async with connected(running) as export, asyncio.TaskGroup() as tasks:
        for first in range(1, 16):
            tasks.create_task(send(export, first * 100_000))
        await until(lambda: len(acknowledged) > 200)
        await running.receivers.grpc.stop()

    assert {each.body for each in running.inbox.telemetry}.issuperset(acknowledged)
    assert refused <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert not process.is_running()


async def test_calls_that_do_not_end_are_cut_off_after_the_grace(start: Start) -> None:
    inbox = SlowInbox()
    running = await start(ReceiverConfig(grpc=GrpcConfig(stop_grace_s=0.05)), inbox)
    process = process_of(running)

    async with connected(running) as export:
        call = asyncio.ensure_future(export(Signal.TRACES, SPAN))
        await inbox.arrived.wait()
        await running.receivers.grpc.stop()
        error = await failure(call)

    assert error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert not process.is_running()
    assert running.receivers._intake._inflight_bytes == 0


async def test_a_listener_that_hangs_is_killed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await start(ReceiverConfig(grpc=GrpcConfig(stop_grace_s=0)))
    process = process_of(running)
    monkeypatch.setattr("neurorail.collector.otlp.listener_process.STOP_S", 0.05)
    process.suspend()
    await running.receivers.grpc.stop()

    assert not process.is_running()


async def test_stop_while_it_is_started_again_leaves_no_process(running: Running) -> None:
    me = psutil.Process()
    process_of(running).kill()
    await until(lambda: listener(running).failure is not None)
    await running.receivers.grpc.stop()

    mine = [each for each in me.children() if "neurorail.collector.otlp.listener" in each.cmdline()]
    assert mine == []


async def test_a_listener_that_was_only_launched_is_ended() -> None:
    receivers = Receivers(ReceiverConfig(), MemoryInbox(), KEY)
    receivers.launch()
    pid = receivers.grpc.process.pid
    assert pid is not None
    process = psutil.Process(pid)
    await receivers.stop()

    assert not process.is_running()


async def test_one_that_dies_before_it_listens_is_an_error_at_start() -> None:
    config = ReceiverConfig(grpc=GrpcConfig(port=0))
    receivers = Receivers(config, MemoryInbox(), KEY)
    receivers.launch()
    pid = receivers.grpc.process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    with pytest.raises(RuntimeError, match="ended before it listened"):
        await receivers.grpc.start()
    assert receivers.grpc.process.pid is None
    await receivers.stop()
