"""Sending to real endpoints on loopback: order, retries, refusals, restarts, limits."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from tests.collector.export.support import (
    Counts,
    ListEvents,
    ListRecords,
    Notes,
    envelope,
    exporting,
    span_names,
    spans_of,
    spans_record,
    until,
)
from tests.collector.inbox.support import SMALL_FILES, put, running
from tests.support.certificates import Authority
from tests.support.events import make_line
from tests.support.otlp_endpoint import Endpoint, Got, Said, grpc_endpoint, http_endpoint
from tests.support.otlp_requests import logs, metrics
from tests.support.waiting import PATIENCE_S

from neurorail.collector.decode.system import NotedRecord
from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.export import Destination
from neurorail.collector.history.protocols import HistoryUnavailable

Opened = Callable[..., AbstractContextManager[Endpoint]]
BOTH = pytest.mark.parametrize(
    ("opened", "protocol"),
    [(grpc_endpoint, "grpc"), (http_endpoint, "http/protobuf")],
    ids=["grpc", "http"],
)


def to(endpoint: Endpoint, protocol: Any = "grpc", **settings: Any) -> dict[str, Destination]:
    quick = {"retry_delay_ms_min": 10, "retry_delay_ms_max": 50, "timeout_s": PATIENCE_S}
    return {"there": Destination(endpoint.address, protocol=protocol, **(quick | settings))}


def names(got: list[Got]) -> list[str]:
    return [name for each in got if each.signal == "traces" for name in span_names(each.body)]


def event_ids(got: list[Got]) -> list[str]:
    found = []
    for each in got:
        if each.signal == "logs":
            for group in ExportLogsServiceRequest.FromString(each.body).resource_logs:
                for record in group.scope_logs[0].log_records:
                    for attribute in record.attributes:
                        if attribute.key == "neurorail.event.id":
                            found.append(attribute.value.string_value)
    return found


@BOTH
def test_telemetry_arrives_as_the_inbox_holds_it(
    opened: Opened, protocol: str, tmp_path: Path
) -> None:
    secret = tmp_path / "headers"
    secret.write_text("authorization: Bearer abc\n\n")
    bodies = {"traces": spans_record(1).body, "logs": logs(), "metrics": metrics()}
    records = ListRecords(
        envelope(1, Signal.TRACES, bodies["traces"], 1),
        envelope(2, Signal.LOGS, bodies["logs"], 4),
        envelope(3, Signal.METRICS, bodies["metrics"], 2),
    )
    counts = Counts()
    with opened() as endpoint:
        there = to(endpoint, protocol, headers={"X-Team": "a"}, headers_file=secret)
        with exporting(tmp_path, there, records, counts=counts) as exporter:
            until(lambda: exporter.delivered_seq("there") == 3)
        assert {each.signal: each.body for each in endpoint.got} == bodies
        assert {each.headers["x-team"] for each in endpoint.got} == {"a"}
        assert {each.headers["authorization"] for each in endpoint.got} == {"Bearer abc"}
    assert counts.items == {("sent", "traces"): 1, ("sent", "logs"): 4, ("sent", "metrics"): 2}


@BOTH
def test_records_share_requests_up_to_a_size(opened: Opened, protocol: str, tmp_path: Path) -> None:
    records = ListRecords(*(spans_record(seq, pad=100) for seq in range(1, 41)))
    with opened() as endpoint:
        there = to(endpoint, protocol, request_bytes=1_000, compression="none")
        with exporting(tmp_path, there, records):
            endpoint.wait(lambda got: len(names(got)) >= 40)
        assert names(endpoint.got) == [f"{seq}.0" for seq in range(1, 41)]
        assert 5 < len(endpoint.got) < 20
        assert max(len(each.body) for each in endpoint.got) <= 1_000


@BOTH
def test_what_may_be_tried_again_is(opened: Opened, protocol: str, tmp_path: Path) -> None:
    away = Said("UNAVAILABLE") if protocol == "grpc" else Said(503)
    counts = Counts()
    with opened() as endpoint:
        endpoint.answers.extend([away] * 3)
        records = ListRecords(spans_record(1))
        with exporting(tmp_path, to(endpoint, protocol), records, counts=counts) as exporter:
            until(lambda: exporter.delivered_seq("there") == 1)
            assert exporter.retries() == {"there": 3}
            assert exporter.waiting_for() == {"there": ""}
        assert names(endpoint.got) == ["1.0"] * 4
    assert counts.items == {("sent", "traces"): 1}


@BOTH
def test_a_bad_record_takes_no_other_with_it(opened: Opened, protocol: str, tmp_path: Path) -> None:
    refused = Said("INVALID_ARGUMENT", b"bad") if protocol == "grpc" else Said(400, b"bad")
    counts, notes = Counts(), Notes()
    with opened() as endpoint:
        endpoint.decide = lambda got: refused if "5.0" in span_names(got.body) else None
        records = ListRecords(*(spans_record(seq, 2) for seq in range(1, 10)))
        with exporting(tmp_path, to(endpoint, protocol), records, None, counts, notes) as exporter:
            until(lambda: exporter.delivered_seq("there") == 9)
    assert counts.items == {("sent", "traces"): 16, ("send_failed", "traces"): 2}
    notes.losses.settle()
    (record,) = notes.records
    assert record.kind is Kind.SYSTEM
    assert b'"event":"export_dropped"' in record.body
    assert b'"reason":"refused","items":2' in record.body


@BOTH
def test_what_a_partial_success_rejects_is_counted(
    opened: Opened, protocol: str, tmp_path: Path
) -> None:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 2
    counts = Counts()
    with opened() as endpoint:
        status: int | str = "OK" if protocol == "grpc" else 200
        endpoint.answers.append(Said(status, answer.SerializeToString()))
        records = ListRecords(spans_record(1, 5))
        with exporting(tmp_path, to(endpoint, protocol), records, counts=counts) as exporter:
            until(lambda: exporter.delivered_seq("there") == 1)
        assert len(endpoint.got) == 1
    assert counts.items == {("sent", "traces"): 3, ("send_failed", "traces"): 2}


def test_a_pause_that_the_endpoint_asks_for_is_kept(tmp_path: Path) -> None:
    delay = Duration()
    delay.FromMilliseconds(40)
    packed = AnyMessage()
    packed.Pack(RetryInfo(retry_delay=delay))
    details = Status(code=8, details=[packed]).SerializeToString()
    with grpc_endpoint() as endpoint:
        endpoint.answers.append(Said("RESOURCE_EXHAUSTED", b"full", details=details))
        # Its own back-off is an hour: only the endpoint's word brings it back in time.
        there = to(endpoint, retry_delay_ms_min=3_600_000, retry_delay_ms_max=3_600_000)
        with exporting(tmp_path, there, ListRecords(spans_record(1))):
            endpoint.wait(lambda got: len(got) == 2)
    with http_endpoint() as endpoint:
        endpoint.answers.append(Said(429, headers={"retry-after": "0"}))
        there = to(endpoint, "http/protobuf", retry_delay_ms_min=3_600_000,
                   retry_delay_ms_max=3_600_000)  # fmt: skip
        with exporting(tmp_path / "..", {"http": there["there"]}, ListRecords(spans_record(1))):
            endpoint.wait(lambda got: len(got) == 2)


@BOTH
def test_an_endpoint_that_comes_back_gets_everything(
    opened: Opened, protocol: str, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    there = to(Endpoint(f"http://127.0.0.1:{port}"), protocol)
    records = ListRecords(*(spans_record(seq) for seq in range(1, 4)))
    with exporting(tmp_path, there, records) as exporter:
        until(lambda: exporter.waiting_for()["there"])
        assert exporter.behind() == {"there": 3}
        with opened(port) as endpoint:
            endpoint.wait(lambda got: names(got) == ["1.0", "2.0", "3.0"])
            until(lambda: exporter.behind() == {"there": 0})
    # A restart goes on behind what was delivered.
    records.add(spans_record(4))
    with opened(port) as endpoint, exporting(tmp_path, there, records):
        endpoint.wait(lambda got: names(got) == ["4.0"])


def test_every_destination_has_its_own_pace(tmp_path: Path, free_port: Callable[[], int]) -> None:
    with http_endpoint() as near:
        destinations = {
            "near": to(near, "http/protobuf")["there"],
            "away": to(Endpoint(f"http://127.0.0.1:{free_port()}"))["there"],
        }
        with exporting(tmp_path, destinations, ListRecords(spans_record(1))) as exporter:
            until(lambda: exporter.behind() == {"near": 0, "away": 1})


def test_a_forgotten_destination_begins_anew(tmp_path: Path) -> None:
    records = ListRecords(spans_record(1))
    with http_endpoint() as endpoint:
        there = to(endpoint, "http/protobuf")
        with exporting(tmp_path, there, records):
            endpoint.wait(lambda got: len(got) == 1)
        with exporting(tmp_path, {"other": there["there"]}, records):
            endpoint.wait(lambda got: len(got) == 2)
        with exporting(tmp_path, there, records):
            endpoint.wait(lambda got: len(got) == 3)


def test_events_come_once_after_their_records_however_they_are_paged(tmp_path: Path) -> None:
    lines = [make_line(seq, index=at) for seq in range(1, 30) for at in range(3)]
    records = ListRecords(*(spans_record(seq) for seq in range(1, 30)))
    counts = Counts()
    with http_endpoint() as endpoint:
        there = to(endpoint, "http/protobuf", request_bytes=2_000)
        events = ListEvents(*lines, page=7)
        with exporting(tmp_path, there, records, events, counts) as exporter:
            until(lambda: exporter.delivered_seq("there") == 29)
        assert event_ids(endpoint.got) == [line.event_id for line in lines]
    assert counts.items["sent", "logs"] == len(lines)


def test_events_wait_for_an_archive_that_is_away(tmp_path: Path) -> None:
    events = ListEvents(make_line(1))
    events.errors = [HistoryUnavailable("away"), RuntimeError("a defect")]
    with http_endpoint() as endpoint:
        there = to(endpoint, "http/protobuf", signals=("events",))
        with exporting(tmp_path, there, ListRecords(spans_record(1)), events):
            endpoint.wait(lambda got: event_ids(got) == ["n1.1.1.0"])
        assert [each.signal for each in endpoint.got] == ["logs"]


def test_only_what_a_destination_may_see_is_sent(tmp_path: Path) -> None:
    records = ListRecords(
        spans_record(1, tenant="acme"), spans_record(2), envelope(3, Signal.LOGS, logs(), 1, "acme")
    )
    events = ListEvents(make_line(1, tenant="acme"), make_line(2))
    with http_endpoint() as endpoint:
        there = to(endpoint, "http/protobuf", tenants=("acme",), signals=("traces", "events"))
        with exporting(tmp_path, there, records, events) as exporter:
            until(lambda: exporter.delivered_seq("there") == 3)
        assert names(endpoint.got) == ["1.0"]
        assert event_ids(endpoint.got) == ["n1.1.1.0"]
        assert len(endpoint.got) == 2


def test_enriched_spans_and_their_events(tmp_path: Path) -> None:
    lines = [
        make_line(1, "budget_violation", ids=("p_0000000000000064",), data={"code": "NR-E002"}),
        make_line(2),
    ]
    records = ListRecords(spans_record(1), spans_record(2))
    with http_endpoint() as endpoint:
        there = to(endpoint, "http/protobuf", enrich=True)
        with exporting(tmp_path, there, records, ListEvents(*lines)) as exporter:
            until(lambda: exporter.delivered_seq("there") == 2)
        found = [
            each for got in endpoint.got if got.signal == "traces" for each in spans_of(got.body)
        ]
        told = [{a.key: a.value.string_value for a in each.attributes} for each in found]
        assert [each["neurorail.decision"] for each in told] == ["violated", "passed"]
        assert event_ids(endpoint.got) == [line.event_id for line in lines]


def test_the_inbox_waits_for_a_destination_up_to_its_limit(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    counts, notes = Counts(), Notes()
    body = spans_record(1, 3).body
    away = to(Endpoint(f"http://127.0.0.1:{free_port()}"), queue_bytes=1)
    patient = to(Endpoint(f"http://127.0.0.1:{free_port()}"), queue_bytes=1 << 30)
    with running(tmp_path / "inbox", replace(SMALL_FILES, tail_bytes=1)) as inbox:
        for _ in range(6):
            put(inbox, Submission(Kind.TELEMETRY, Signal.TRACES, body, items=3))
        for destinations, reach in ((patient, 0), (away, 4)):
            with exporting(tmp_path, destinations, inbox, None, counts, notes) as exporter:
                assert exporter.keep(4, inbox.full_files) == reach
                # The same is given up once.
                assert exporter.keep(4, inbox.full_files) == reach
        assert inbox.prune(4) == 4
        assert counts.items == {("enqueue_failed", "traces"): 12}
        notes.losses.settle()
        assert b'"reason":"limit","items":12' in notes.records[0].body
        # What is pruned is passed over; its events and the rest arrive.
        with http_endpoint() as endpoint:
            events = ListEvents(make_line(2))
            there = to(endpoint, "http/protobuf")
            with exporting(tmp_path, there, inbox, events, counts) as exporter:
                until(lambda: exporter.delivered_seq("there") == 6)
                assert exporter.keep(6, inbox.full_files) == 6
            assert len(names(endpoint.got)) == 6
            assert event_ids(endpoint.got) == ["n1.1.2.0"]


def test_nothing_is_pruned_before_it_is_known_how_far_destinations_are(tmp_path: Path) -> None:
    with http_endpoint() as endpoint:
        with exporting(tmp_path, to(endpoint, "http/protobuf"), ListRecords()) as exporter:
            pass
        exporter._senders.clear()
        assert exporter.keep(5, lambda _: []) == 0
    with exporting(tmp_path, {}, ListRecords()) as exporter:
        assert exporter.keep(5, lambda _: []) == 5


def test_losses_are_told_once_a_minute(tmp_path: Path) -> None:
    notes = Notes()
    with http_endpoint() as endpoint:
        endpoint.decide = lambda _: Said(401)
        records = ListRecords(*(spans_record(seq) for seq in range(1, 4)))
        there = to(endpoint, "http/protobuf")
        with exporting(tmp_path, there, records, notes=notes) as exporter:
            until(lambda: exporter.delivered_seq("there") == 3)
            notes.losses.settle()
            records.add(spans_record(4))
            until(lambda: exporter.delivered_seq("there") == 4)
    notes.losses.settle()
    assert len(notes.records) == 1
    notes.clock.now_s = 60.0
    notes.losses.settle()
    assert b'"items":1' in notes.records[1].body
    assert NotedRecord.__struct_fields__[0] == "event"


def test_stopping_does_not_wait_for_a_back_off(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    hour = {"retry_delay_ms_min": 3_600_000, "retry_delay_ms_max": 3_600_000}
    there = to(Endpoint(f"http://127.0.0.1:{free_port()}"), **hour)
    with exporting(tmp_path, there, ListRecords(spans_record(1))) as exporter:
        until(lambda: exporter.waiting_for()["there"])
    exporter.stop()


def test_tls_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue("there")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    context.load_verify_locations(authority.cert)
    context.verify_mode = ssl.CERT_REQUIRED
    pair = (certificate.key.read_bytes(), certificate.cert.read_bytes())
    authorities = authority.cert.read_bytes()
    credentials = grpc.ssl_server_credentials([pair], authorities, require_client_auth=True)
    files = {
        "ca_file": authority.cert,
        "cert_file": certificate.cert,
        "key_file": certificate.key,
    }
    with http_endpoint(tls=context) as http, grpc_endpoint(credentials=credentials) as over_grpc:
        destinations = {
            "http": to(http, "http/protobuf", **files)["there"],
            "grpc": to(over_grpc, **files)["there"],
        }
        with exporting(tmp_path, destinations, ListRecords(spans_record(1))) as exporter:
            until(lambda: exporter.behind() == {"http": 0, "grpc": 0})
        assert [names(each.got) for each in (http, over_grpc)] == [["1.0"], ["1.0"]]
