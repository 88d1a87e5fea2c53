from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.trace import INVALID_SPAN_CONTEXT
from tests.instrumentation.conftest import LogsInMemory, Told

from neurorail.instrumentation import event_processor, job, mission
from neurorail.instrumentation.configure import exporters
from neurorail.instrumentation.event_processor import EventProcessor
from neurorail.instrumentation.events import Event, delay_from_environment
from neurorail.instrumentation.process import heartbeat_ms, process
from neurorail.semconv import attributes as names


def event(number: int) -> Event:
    return Event(number, "tried", {"n": number}, {}, INVALID_SPAN_CONTEXT)


class Blocked(LogsInMemory):
    """Exports only when it may; every other batch fails, the rest raise."""

    def __init__(self) -> None:
        super().__init__()
        self.may = threading.Event()
        self.tried = threading.Event()

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        self.tried.set()
        assert self.may.wait(60)
        return super().export(batch)


class Failing(LogsInMemory):
    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        super().export(batch)
        if len(self.records) == 1:
            raise ConnectionError("no server")
        return LogRecordExportResult.FAILURE


def numbers(exporter: LogsInMemory) -> list[Any]:
    return [(record.log_record.attributes or {})["n"] for record in exporter.records]


def test_records_leave_in_order_and_at_shutdown_none_is_lost() -> None:
    exporter = LogsInMemory()
    processor = EventProcessor(exporter, delay_ms=60_000)
    for number in range(1_500):
        processor.put(event(number))
    processor.shutdown()
    processor.shutdown()
    assert numbers(exporter) == list(range(1_500))
    processor.put(event(0))
    assert processor.dropped == 1


def test_a_full_queue_drops_the_newest_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_processor, "QUEUE_RECORDS_MAX", 3)
    exporter = Blocked()
    processor = EventProcessor(exporter, delay_ms=0)
    processor.put(event(0))
    assert exporter.tried.wait(60)
    for number in range(1, 6):
        processor.put(event(number))
    assert processor.dropped == 2
    assert not processor.force_flush(timeout_millis=1)
    exporter.may.set()
    processor.shutdown()
    assert numbers(exporter) == [0, 1, 2, 3]


def test_an_exporter_that_fails_harms_nobody() -> None:
    exporter = Failing()
    processor = EventProcessor(exporter, delay_ms=60_000)
    processor.put(event(1))
    assert not processor.force_flush()
    processor.put(event(2))
    assert not processor.force_flush()
    assert processor.failed == 2
    assert processor.force_flush()
    processor.shutdown()


def test_loggers_of_others_go_the_same_way() -> None:
    exporter = LogsInMemory()
    processor = EventProcessor(exporter, delay_ms=60_000)
    provider = LoggerProvider()
    provider.add_log_record_processor(processor)
    provider.get_logger("others").emit(body="hello", attributes={"n": 1})
    provider.shutdown()
    assert numbers(exporter) == [1]


def test_a_forked_child_sends_only_its_own() -> None:
    exporter = LogsInMemory()
    processor = EventProcessor(exporter, delay_ms=60_000)
    processor.put(event(1))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - coverage does not see what ends so
        processor.put(event(2))
        well = processor.force_flush()
        os.write(writing, b"%d %d" % (well, numbers(exporter) == [2]))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 10) == b"1 1"
    os.close(reading)
    os.close(writing)
    processor.shutdown()
    assert numbers(exporter) == [1]


def heartbeats(told: Told) -> list[tuple[Any, dict[str, Any]]]:
    """Whose they are, and the whole of each."""
    found = [one for one in told.events if one["event_name"] == names.HEARTBEAT_EVENT]
    return [(one[names.ENTITY_TYPE], one) for one in found]


def test_heartbeats_of_all_that_runs(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURORAIL_HEARTBEAT_MS", "1")
    with mission("m") as m, job("x") as j:
        while not {"mission", "job"} <= {each for each, _ in heartbeats(told)}:
            time.sleep(0.001)
    assert dict(heartbeats(told))["job"] == {
        "event_name": names.HEARTBEAT_EVENT,
        names.ENTITY_TYPE: "job",
        names.MISSION_ID: m.id,
        names.PLAN_ID: j.ids[names.PLAN_ID],
        names.JOB_ID: j.id,
    }


def test_too_many_entities_run_without_heartbeats(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neurorail.instrumentation.process.RUNNING_MAX", 1)
    before = process().without_heartbeat
    with mission("m"), job("x"):
        assert len(process().running) == 1
    assert process().without_heartbeat == before + 1


def test_variables_for_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (delay_from_environment(), heartbeat_ms()) == (100, 10_000)
    monkeypatch.setenv("OTEL_BLRP_SCHEDULE_DELAY", "7")
    monkeypatch.setenv("NEURORAIL_HEARTBEAT_MS", "0")
    assert (delay_from_environment(), heartbeat_ms()) == (7, 1)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ["otlp_proto_http"]),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ["otlp_proto_grpc"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://host:4317"}, ["otlp_proto_grpc"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://host:4318"}, ["otlp_proto_http"]),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
             "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"},
            ["otlp_proto_http"],
        ),
        ({"OTEL_TRACES_EXPORTER": "console"}, []),
    ],
)  # fmt: skip
def test_which_exporter_is_meant(variables: dict[str, str], expected: list[str]) -> None:
    assert exporters("trace", variables) == expected
