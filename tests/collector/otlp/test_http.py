from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
import pytest
import zstandard
from google.rpc.error_details_pb2 import (  # type: ignore[import-untyped]
    BadRequest,
    RetryInfo,
)
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from tests.collector.otlp import examples
from tests.collector.otlp.conftest import Running, Start
from tests.collector.otlp.telemetry import attribute, gauge, logs, spans

from neurorail.collector.envelope import Signal
from neurorail.collector.inbox.errors import InboxFull
from neurorail.collector.otlp.auth import Caller
from neurorail.collector.otlp.config import HttpConfig, ReceiverConfig
from neurorail.collector.otlp.refusal import Code, Refusal, unavailable
from neurorail.collector.otlp.signals import BY_SIGNAL

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
BODY = spans(count=2).SerializeToString()


async def post(
    running: Running,
    body: bytes | AsyncIterator[bytes] = BODY,
    path: str = "/v1/traces",
    content_type: str | None = PROTOBUF,
    method: str = "POST",
    **headers: str,
) -> httpx2.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type is not None:
        sent["content-type"] = content_type
    async with httpx2.AsyncClient(timeout=60) as client:
        return await client.request(method, running.http_url + path, content=body, headers=sent)


def status(response: httpx2.Response) -> Any:
    """The google.rpc.Status of an answer in either encoding."""
    if response.headers["content-type"] == PROTOBUF:
        return Status.FromString(response.content)
    from google.protobuf import json_format

    return json_format.Parse(response.content, Status())


def detail(message: Any, kind: Any) -> Any:
    for packed in message.details:
        if packed.Is(kind.DESCRIPTOR):
            return kind.FromString(packed.value)
    return None


@pytest.mark.parametrize(
    ("signal", "request_", "items"),
    [
        (Signal.TRACES, spans(count=2), 2),
        (Signal.LOGS, logs(count=3), 3),
        (Signal.METRICS, gauge(points=4), 4),
    ],
    ids=["traces", "logs", "metrics"],
)
async def test_each_path_takes_its_signal_in_protobuf(
    running: Running, signal: Signal, request_: Any, items: int
) -> None:
    body = request_.SerializeToString()

    response = await post(running, body, BY_SIGNAL[signal].path)

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == PROTOBUF
    ((submission,),) = running.inbox.appends
    assert (submission.signal, submission.body, submission.items) == (signal, body, items)
    assert running.metrics.counts == {
        ("request success", signal, "http"): 1,
        ("accepted", signal, "http"): items,
    }


@pytest.mark.parametrize(
    ("signal", "example", "items"),
    [
        (Signal.TRACES, examples.TRACE, 1),
        (Signal.LOGS, examples.LOGS, 1),
        (Signal.LOGS, examples.EVENTS, 1),
        (Signal.METRICS, examples.METRICS, 5),
    ],
    ids=["trace", "logs", "events", "metrics"],
)
async def test_each_path_takes_its_signal_in_json(
    running: Running, signal: Signal, example: Any, items: int
) -> None:
    response = await post(
        running, json.dumps(example).encode(), BY_SIGNAL[signal].path, "application/json"
    )

    assert (response.status_code, response.json()) == (200, {})
    assert response.headers["content-type"] == JSON
    (submission,) = running.inbox.submissions
    assert (submission.signal, submission.encoding, submission.items) == (
        signal,
        "otlp_proto",
        items,
    )


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"],
)
async def test_parameters_and_case_of_the_content_type_do_not_matter(
    running: Running, content_type: str
) -> None:
    response = await post(running, b"{}", content_type=content_type)

    assert (response.status_code, response.headers["content-type"]) == (200, JSON)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("zstd", zstandard.compress(BODY)),
        ("identity", BODY),
    ],
)
async def test_compressed_requests_are_read(running: Running, encoding: str, body: bytes) -> None:
    response = await post(running, body, content_encoding=encoding)

    assert response.status_code == 200
    assert running.inbox.submissions[0].body == BODY


async def test_chunked_bodies_without_a_length_are_read(running: Running) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(BODY), 10):
            yield BODY[start : start + 10]

    response = await post(running, pieces())

    assert response.status_code == 200
    assert running.inbox.submissions[0].body == BODY


async def test_partial_success_in_both_encodings(running: Running) -> None:
    body = spans({}, {"span_id": b""}).SerializeToString()
    as_json = {
        "resourceSpans": [
            {"scopeSpans": [{"spans": [{"traceId": "01" * 16}, {"traceId": "", "spanId": "01"}]}]}
        ]
    }

    binary = await post(running, body)
    text = await post(running, json.dumps(as_json).encode(), content_type=JSON)

    partial = BY_SIGNAL[Signal.TRACES].response.FromString(binary.content).partial_success
    assert (binary.status_code, partial.rejected_spans) == (200, 1)
    assert partial.error_message
    assert text.status_code == 200
    assert text.json()["partialSuccess"]["rejectedSpans"] == "2"
    assert text.json()["partialSuccess"]["errorMessage"]


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
async def test_bad_data_is_400_with_a_status_in_the_requests_encoding(
    running: Running, content_type: str
) -> None:
    response = await post(running, b"\xff\xff", content_type=content_type)

    assert response.status_code == 400
    assert response.headers["content-type"] == content_type
    message = status(response)
    assert message.code == 3
    assert detail(message, BadRequest).field_violations[0].description == message.message
    assert detail(message, RetryInfo) is None
    assert "retry-after" not in response.headers


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
async def test_a_full_inbox_is_503_with_retry_after(running: Running, content_type: str) -> None:
    running.inbox.error = InboxFull("disk")
    body = BODY if content_type == PROTOBUF else json.dumps(examples.TRACE).encode()

    response = await post(running, body, content_type=content_type)

    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert detail(status(response), RetryInfo).retry_delay.ToSeconds() == 1


async def test_an_unexpected_error_is_503_and_never_500(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    running.inbox.error = ZeroDivisionError("a defect")

    response = await post(running)

    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert "a defect" in caplog.text


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
async def test_other_methods_are_405(running: Running, method: str) -> None:
    response = await post(running, b"", method=method)

    assert response.status_code == 405
    assert response.headers["allow"] == "OPTIONS, POST"
    if method != "HEAD":
        assert "use POST" in status(response).message


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
async def test_other_content_types_are_415(running: Running, content_type: str | None) -> None:
    response = await post(running, content_type=content_type)

    assert response.status_code == 415
    assert "application/x-protobuf or application/json" in status(response).message


async def test_other_content_encodings_are_415(running: Running) -> None:
    response = await post(running, content_encoding="br")

    assert response.status_code == 415
    assert "gzip, deflate, zstd" in status(response).message


async def test_other_paths_are_404(running: Running) -> None:
    response = await post(running, path="/v1/profiles")

    assert response.status_code == 404
    assert "/v1/traces" in status(response).message
    assert running.metrics.counts == {}


SMALL = ReceiverConfig(max_request_bytes=100_000, max_inflight_bytes=200_000)


@pytest.mark.parametrize("known_length", [True, False])
async def test_a_large_request_is_413_and_its_answer_arrives(
    start: Start, known_length: bool
) -> None:
    running = await start(SMALL)
    body = bytes(150_000)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(15):
            yield bytes(10_000)

    response = await post(running, body if known_length else pieces())

    assert response.status_code == 413
    assert status(response).code == 8
    assert "retry-after" not in response.headers
    assert (await post(running)).status_code == 200


async def test_a_gzip_bomb_is_413(start: Start) -> None:
    running = await start(SMALL)

    response = await post(running, gzip.compress(bytes(50_000_000)), content_encoding="gzip")

    assert response.status_code == 413
    assert running.inbox.appends == []


async def test_too_many_bytes_in_flight_are_refused_retryably(start: Start) -> None:
    running = await start(SMALL)
    assert running.receivers._intake.hold(150_000) is None

    refused = await post(running, bytes(90_000))
    running.receivers._intake.release(150_000)
    taken = await post(running)

    assert (refused.status_code, taken.status_code) == (503, 200)


class _Limited:
    """Refuses as a quota would."""

    def check(self) -> Refusal | None:
        return Refusal(Code.RESOURCE_EXHAUSTED, "over your quota", retry_delay_s=0.2)


async def test_a_quota_is_429_with_a_delay_of_at_least_a_second(start: Start) -> None:
    running = await start(pressure=_Limited())

    response = await post(running)

    assert (response.status_code, response.headers["retry-after"]) == (429, "1")


class _Keys:
    def authenticate(self, headers: Mapping[str, str], signal: str) -> Caller | Refusal:
        if "broken" in headers:
            raise OSError("the key store is gone")
        authorization = headers.get("authorization", "")
        if not authorization:
            return Refusal(Code.UNAUTHENTICATED, "send a key as Authorization: Bearer")
        if authorization != "Bearer good":
            return Refusal(Code.PERMISSION_DENIED, "this key may not send telemetry")
        assert len(headers) == len(list(headers))
        return Caller("acme", "agent-7")


async def test_the_caller_comes_from_the_headers(start: Start) -> None:
    running = await start(authenticator=_Keys())

    missing = await post(running)
    wrong = await post(running, authorization="Bearer other")
    broken = await post(running, broken="1")
    good = await post(running, authorization="Bearer good")

    assert [r.status_code for r in (missing, wrong, broken, good)] == [401, 403, 503, 200]
    assert missing.headers["www-authenticate"] == "Bearer"
    (submission,) = running.inbox.submissions
    assert (submission.tenant, submission.principal) == ("acme", "agent-7")


class TestCors:
    PAGE = "https://app.example"

    async def preflight(self, running: Running, origin: str) -> httpx2.Response:
        return await post(
            running,
            b"",
            content_type=None,
            method="OPTIONS",
            origin=origin,
            access_control_request_method="POST",
            access_control_request_headers="content-type",
        )

    async def started(self, start: Start, *origins: str) -> Running:
        return await start(ReceiverConfig(http=HttpConfig(cors_allowed_origins=origins)))

    async def test_an_allowed_page_may_export(self, start: Start) -> None:
        running = await self.started(start, self.PAGE)

        before = await self.preflight(running, self.PAGE)
        sent = await post(running, origin=self.PAGE)
        refused = await post(running, b"\xff", origin=self.PAGE)

        assert before.status_code == 204
        assert before.headers["access-control-allow-methods"] == "POST"
        assert "content-type" in before.headers["access-control-allow-headers"]
        assert before.headers["access-control-max-age"] == "7200"
        for response in (before, sent, refused):
            assert response.headers["access-control-allow-origin"] == self.PAGE
            assert response.headers["vary"] == "origin"

    async def test_other_pages_get_no_permission(self, start: Start) -> None:
        running = await self.started(start, self.PAGE)

        response = await self.preflight(running, "https://other.example")

        assert response.status_code == 204
        assert "access-control-allow-origin" not in response.headers

    async def test_all_pages_may_be_allowed(self, start: Start) -> None:
        running = await self.started(start, "*")

        response = await self.preflight(running, "https://any.example")

        assert response.headers["access-control-allow-origin"] == "*"

    async def test_no_page_is_allowed_by_default(self, running: Running) -> None:
        response = await post(running, origin=self.PAGE)

        assert response.status_code == 200
        assert "access-control-allow-origin" not in response.headers


async def raw(running: Running, request: bytes) -> tuple[asyncio.StreamReader, Any]:
    reader, writer = await asyncio.open_connection("127.0.0.1", running.receivers.http.port)
    writer.write(request)
    await writer.drain()
    return reader, writer


HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"


async def test_a_client_that_goes_away_in_the_middle_stores_nothing(running: Running) -> None:
    _, writer = await raw(running, HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 10)
    writer.close()
    await writer.wait_closed()

    assert (await post(running)).status_code == 200
    assert len(running.inbox.appends) == 1


async def test_a_client_that_goes_away_while_its_request_is_refused(start: Start) -> None:
    running = await start(SMALL)
    _, writer = await raw(running, HEAD + b"Content-Length: 200000\r\n\r\n" + b"x" * 10)
    writer.close()
    await writer.wait_closed()

    assert (await post(running)).status_code == 200


async def test_a_request_that_does_not_arrive_in_time_is_refused_retryably(start: Start) -> None:
    running = await start(ReceiverConfig(http=HttpConfig(body_timeout_s=0.05)))

    reader, writer = await raw(running, HEAD + b"Content-Length: 1000\r\n\r\n" + b"x")
    answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 503")
    assert b"connection: close" in answer


async def test_a_body_without_end_is_answered_and_cut_off(start: Start) -> None:
    running = await start(ReceiverConfig(max_request_bytes=1_000, max_inflight_bytes=1_000))

    head = HEAD + b"Content-Length: 100000000\r\n\r\n"
    reader, writer = await raw(running, head + b"x" * 5_000)
    answer = await reader.readuntil(b"\r\n")
    writer.close()

    assert answer == b"HTTP/1.1 413 Request Entity Too Large\r\n"


async def test_a_client_that_waits_for_100_continue_is_refused_at_once(start: Start) -> None:
    running = await start(SMALL)

    head = HEAD + b"Expect: 100-continue\r\nContent-Length: 200000\r\n\r\n"
    reader, writer = await raw(running, head)
    answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 413")


async def test_one_connection_serves_many_requests(running: Running) -> None:
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    reader, writer = await raw(running, request * 3)

    for _ in range(3):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert b"content-length: 0" in head
    writer.close()

    assert len(running.inbox.appends) == 3


async def test_a_port_in_use_stops_both_listeners(running: Running, start: Start) -> None:
    from tests.collector.otlp.fakes import KEY, MemoryInbox

    from neurorail.collector.otlp.config import GrpcConfig
    from neurorail.collector.otlp.receivers import Receivers

    taken = HttpConfig(port=running.receivers.http.port)
    second = Receivers(ReceiverConfig(grpc=GrpcConfig(port=0), http=taken), MemoryInbox(), KEY)

    with pytest.raises(OSError, match="in use"):
        await second.start()
    with pytest.raises(RuntimeError, match="not started"):
        _ = second.grpc.port
    await second.stop()


async def test_overload_is_refused_before_the_body_is_read(start: Start) -> None:
    class Overloaded:
        def check(self) -> Refusal | None:
            return unavailable("memory", 3)

    running = await start(pressure=Overloaded())

    response = await post(running, b"\xff" * 50_000)

    assert (response.status_code, response.headers["retry-after"]) == (503, "3")


async def test_what_waits_for_the_disk_counts_decompressed(start: Start) -> None:
    running = await start(ReceiverConfig(max_request_bytes=50_000, max_inflight_bytes=50_000))
    assert running.receivers._intake.hold(20_000) is None
    body = spans({"name": "x" * 40_000}).SerializeToString()

    refused = await post(running, gzip.compress(body), content_encoding="gzip")
    running.receivers._intake.release(20_000)
    taken = await post(running, gzip.compress(body), content_encoding="gzip")

    assert (refused.status_code, taken.status_code) == (503, 200)
    assert len(running.inbox.appends) == 1


async def test_repaired_and_redacted_values_are_counted(running: Running) -> None:
    content = {"name": "AB", "attributes": [attribute("input.value", "secret")]}
    body = spans(content).SerializeToString().replace(b"\x2a\x02AB", b"\x2a\x02\xc3\x28")

    response = await post(running, body)

    assert response.status_code == 200
    assert running.metrics.counts["repaired", Signal.TRACES, "http"] == 1
    assert running.metrics.counts["redacted", Signal.TRACES, "http"] == 1
    assert b"secret" not in running.inbox.submissions[0].body


async def test_content_is_kept_when_the_operator_says_so(start: Start) -> None:
    running = await start(ReceiverConfig(store_content=True))
    body = spans({"attributes": [attribute("input.value", "secret")]}).SerializeToString()

    await post(running, body)

    assert running.inbox.submissions[0].body == body
