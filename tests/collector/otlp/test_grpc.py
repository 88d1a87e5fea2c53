from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Mapping
from typing import Any

import grpc
import grpc.aio
import pytest
from tests.collector.otlp.calls import SlowInbox, connected, details, failure, trailers
from tests.collector.otlp.conftest import Running, Start
from tests.collector.otlp.fakes import KEY, MemoryInbox
from tests.collector.otlp.telemetry import gauge, logs, spans

from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.inbox.errors import InboxClosed, InboxFailed, InboxFull
from neurorail.collector.otlp.auth import Caller
from neurorail.collector.otlp.config import GrpcConfig, ReceiverConfig
from neurorail.collector.otlp.grpc_server import GrpcReceiver, server_options
from neurorail.collector.otlp.receivers import Receivers
from neurorail.collector.otlp.refusal import Code, Refusal, unavailable
from neurorail.collector.otlp.signals import BY_SIGNAL


@pytest.mark.parametrize(
    ("signal", "request_", "items"),
    [
        (Signal.TRACES, spans(count=2), 2),
        (Signal.LOGS, logs(count=3), 3),
        (Signal.METRICS, gauge(points=4), 4),
    ],
    ids=["traces", "logs", "metrics"],
)
async def test_each_service_takes_its_signal(
    running: Running, signal: Signal, request_: Any, items: int
) -> None:
    body = request_.SerializeToString()

    async with connected(running) as export:
        response = await export(signal, body)

    assert response == BY_SIGNAL[signal].response()
    assert not response.HasField("partial_success")
    assert running.inbox.appends == [[Submission(Kind.TELEMETRY, signal, body, items=items)]]
    assert running.metrics.counts == {
        ("request success", signal, "grpc"): 1,
        ("accepted", signal, "grpc"): items,
    }


async def test_an_empty_request_succeeds_and_appends_nothing(running: Running) -> None:
    async with connected(running) as export:
        response = await export(Signal.TRACES, b"")

    assert not response.HasField("partial_success")
    assert running.inbox.appends == []


async def test_rejected_spans_are_a_partial_success_and_one_append(running: Running) -> None:
    body = spans({}, {"span_id": b""}, {"span_id": b"1"}).SerializeToString()

    async with connected(running) as export:
        response = await export(Signal.TRACES, body)

    assert response.partial_success.rejected_spans == 2
    assert response.partial_success.error_message == (
        "2 span(s) rejected: span id is not 8 bytes or is zero: 2"
    )
    ((telemetry, rejection),) = running.inbox.appends
    assert telemetry.items == 1
    assert json.loads(rejection.body)["reasons"] == {"invalid_span_id": 2}
    assert running.metrics.counts["refused", Signal.TRACES, "grpc"] == 2


async def test_a_split_request_is_one_append(running: Running) -> None:
    async with connected(running) as export:
        await export(Signal.LOGS, logs(count=4_100).SerializeToString())

    assert [[s.items for s in append] for append in running.inbox.appends] == [[2_000, 2_000, 100]]


async def test_gzip_is_accepted(running: Running) -> None:
    body = spans(count=50).SerializeToString()

    async with connected(running, compression=grpc.Compression.Gzip) as export:
        await export(Signal.TRACES, body)

    assert running.inbox.submissions[0].body == body


async def test_bad_data_is_invalid_argument_with_the_field(running: Running) -> None:
    async with connected(running) as export:
        error = await failure(export(Signal.TRACES, b"\xff\xff"))

    status, found = details(error)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (status.code, status.message) == (3, error.details())
    assert [v.field for v in found["BadRequest"].field_violations] == ["body"]
    assert "RetryInfo" not in found
    assert running.metrics.counts["request refused", Signal.TRACES, "grpc"] == 1


async def test_logs_on_the_traces_service_are_refused_by_name(running: Running) -> None:
    async with connected(running) as export:
        error = await failure(export(Signal.TRACES, logs(count=2).SerializeToString()))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "looks like a logs export" in (error.details() or "")


@pytest.mark.parametrize(
    "inbox_error", [InboxFull("disk"), InboxClosed("stopped"), InboxFailed("io")]
)
async def test_an_inbox_that_takes_nothing_is_unavailable_with_a_delay(
    running: Running, inbox_error: Exception
) -> None:
    running.inbox.error = inbox_error

    async with connected(running) as export:
        error = await failure(export(Signal.TRACES, spans(count=7).SerializeToString()))

    _, found = details(error)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert found["RetryInfo"].retry_delay.ToMilliseconds() == 1_000
    assert running.metrics.counts["refused", Signal.TRACES, "grpc"] == 7


async def test_an_unexpected_error_is_unavailable_and_logged(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    running.inbox.error = ZeroDivisionError("a defect")

    async with connected(running) as export:
        error = await failure(export(Signal.TRACES, spans(count=1).SerializeToString()))

    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "RetryInfo" in details(error)[1]
    assert "a defect" not in (error.details() or "")
    assert "a defect" in caplog.text
    assert running.metrics.counts["failed", Signal.TRACES, "grpc"] == 1
    assert running.metrics.counts["request failure", Signal.TRACES, "grpc"] == 1


class _Overloaded:
    def check(self) -> Refusal | None:
        return unavailable("too much", 2.5)


async def test_overload_is_refused_before_anything_is_parsed(start: Start) -> None:
    running = await start(pressure=_Overloaded())

    async with connected(running) as export:
        error = await failure(export(Signal.TRACES, b"\xff not protobuf"))

    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert details(error)[1]["RetryInfo"].retry_delay.ToMilliseconds() == 2_500
    assert running.metrics.counts["refused", Signal.TRACES, "grpc"] == 0
    assert running.inbox.appends == []


class _Keys:
    """Knows one key; breaks on another."""

    def authenticate(self, headers: Mapping[str, str], signal: str) -> Caller | Refusal:
        key = headers.get("x-api-key", "")
        if key == "broken":
            raise OSError("the key store is gone")
        if key != "good":
            return Refusal(Code.UNAUTHENTICATED, "no valid key: send one as x-api-key")
        return Caller("acme", "agent-7")


async def test_more_calls_than_a_connection_may_have_open_wait_and_are_all_taken(
    start: Start,
) -> None:
    """gRPC itself would refuse new ones while it has not tidied up after those that ended."""
    running = await start(config=ReceiverConfig(grpc=GrpcConfig(max_concurrent_streams=8)))
    body = spans(count=2).SerializeToString()

    async with connected(running) as export:

        async def exporter() -> None:
            for _ in range(50):
                await export(Signal.TRACES, body)

        await asyncio.gather(*(exporter() for _ in range(32)))

    assert len(running.inbox.appends) == 32 * 50


async def test_the_caller_comes_from_the_metadata(start: Start) -> None:
    running = await start(authenticator=_Keys())
    body = spans(count=1).SerializeToString()

    async with connected(running) as export:
        await export(Signal.TRACES, body, metadata=(("x-api-key", "good"),))
        refused = await failure(export(Signal.TRACES, body))
        broken = await failure(export(Signal.TRACES, body, metadata=(("x-api-key", "broken"),)))

    (submission,) = running.inbox.submissions
    assert (submission.tenant, submission.principal) == ("acme", "agent-7")
    assert refused.code() is grpc.StatusCode.UNAUTHENTICATED
    assert broken.code() is grpc.StatusCode.UNAVAILABLE


SMALL = ReceiverConfig(max_request_bytes=10_000, max_inflight_bytes=10_000)


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_the_size_limit_holds_before_and_after_decompression(
    start: Start, compression: grpc.Compression
) -> None:
    running = await start(SMALL)
    body = bytes(10_001)
    assert len(gzip.compress(body)) < 1_000

    async with connected(running, compression=compression) as export:
        error = await failure(export(Signal.TRACES, body))
        await export(Signal.TRACES, spans(count=1).SerializeToString())

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "grpc-status-details-bin" not in trailers(error)
    assert running.inbox.telemetry[0].items == 1


@pytest.mark.parametrize(
    "config",
    [
        ReceiverConfig(max_inflight_requests=1),
        ReceiverConfig(max_request_bytes=400, max_inflight_bytes=400),
    ],
    ids=["requests", "bytes"],
)
async def test_too_much_in_flight_is_refused_retryably(
    start: Start, config: ReceiverConfig
) -> None:
    inbox = SlowInbox()
    running = await start(config, inbox)
    body = spans(count=4).SerializeToString()
    assert 200 < len(body) < 400

    async with connected(running) as export:
        first = asyncio.ensure_future(export(Signal.TRACES, body))
        await inbox.arrived.wait()
        error = await failure(export(Signal.TRACES, body))
        inbox.go_on.set()
        await first
        await export(Signal.TRACES, body)

    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "in work, the limit is" in (error.details() or "")
    assert len(inbox.appends) == 2


async def test_the_client_is_answered_after_the_append(start: Start) -> None:
    inbox = SlowInbox()
    running = await start(inbox=inbox)

    async with connected(running) as export:
        call = asyncio.ensure_future(export(Signal.TRACES, spans(count=1).SerializeToString()))
        await inbox.arrived.wait()
        assert not call.done()
        inbox.go_on.set()
        await call

    assert len(inbox.appends) == 1


async def test_a_large_request_is_read_on_a_worker_thread(start: Start) -> None:
    running = await start(ReceiverConfig(offload_bytes=10))
    body = spans(count=20).SerializeToString()

    async with connected(running) as export:
        await export(Signal.TRACES, body)

    assert running.inbox.telemetry[0].items == 20


async def test_unknown_methods_are_unimplemented(running: Running) -> None:
    async with grpc.aio.insecure_channel(running.grpc_target) as channel:
        error = await failure(channel.unary_unary("/a.Service/Export", None, None)(b""))

    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_calls_in_flight_end_when_the_server_stops(start: Start) -> None:
    inbox = SlowInbox()
    running = await start(inbox=inbox)

    async with connected(running) as export:
        call = asyncio.ensure_future(export(Signal.TRACES, spans(count=1).SerializeToString()))
        await inbox.arrived.wait()
        stop = asyncio.ensure_future(running.receivers.grpc.stop())
        inbox.go_on.set()
        await call
        await stop

    assert len(inbox.appends) == 1


async def test_stop_is_safe_at_any_time() -> None:
    receivers = Receivers(ReceiverConfig(), MemoryInbox(), KEY)
    await receivers.stop()
    await receivers.stop()

    with pytest.raises(RuntimeError, match="not started"):
        _ = receivers.grpc.port
    with pytest.raises(RuntimeError, match="not started"):
        _ = receivers.http.port


async def test_a_port_in_use_is_an_error_and_not_shared(running: Running) -> None:
    port = running.receivers.grpc.port
    config = ReceiverConfig(grpc=GrpcConfig(port=port))
    second = GrpcReceiver(config, running.receivers._intake)

    with pytest.raises(RuntimeError):
        await second.start()


def test_every_limit_of_the_listener_is_set_on_purpose() -> None:
    options = dict(server_options(ReceiverConfig()))

    assert options["grpc.max_receive_message_length"] == 64 * 1024 * 1024
    assert options["grpc.max_concurrent_streams"] == 256
    assert options["grpc.keepalive_time_ms"] == 60_000
    assert options["grpc.so_reuseport"] == 0
