"""Secrets planted in every field, and none in the store, the files, the stream or the logs."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.support.otlp_requests import TIME_UNIX_NANO

from neurorail.app.config_load import load
from neurorail.app.service import Service
from neurorail.client import Client, ClientError
from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.store import Store

SECRET = re.compile(r"sk-planted-[0-9]+x")
MISSION = "m_redacted"
DEEP = 12


API = "/api/neurorail/v1"


def options(folder: Path) -> dict[str, Any]:
    """A server on free ports."""
    address = {"address": "127.0.0.1:0"}
    return {"data_dir": folder, "otlp": {"grpc": address, "http": address}, "api": address,
            "audit": {"checkpoint_interval_s": 0.2}}  # fmt: skip


@contextmanager
def store_of(folder: Path) -> Iterator[Store]:
    """Its store."""
    store = Store(StoreConfig(f"chdb://{(folder / 'clickhouse').resolve()}"))
    store.start(migrate=False)
    try:
        yield store
    finally:
        store.stop()


def places_of(folder: Path, text: str) -> list[str]:
    """Every table and file of a data directory in which a text stands."""
    found = []
    with store_of(folder) as store:
        tables = store.query_rows(
            "SELECT name FROM system.tables WHERE database = currentDatabase() "
            "AND engine LIKE '%MergeTree'"
        )
        for (table,) in tables:
            said = "position(toString(tuple(*)), {text:String}) > 0"
            rows = store.query_rows(f"SELECT count() FROM {table} WHERE {said}", {"text": text})
            found += [table] if rows[0][0] else []
    files = [folder / "engine.db", *(folder / "inbox").iterdir()]
    return found + [path.name for path in files if text.encode() in path.read_bytes()]


def secrets() -> Iterator[str]:
    """Secrets, each another one."""
    return (f"sk-planted-{number}x" for number in itertools.count())


def plant(message: Message, texts: Iterator[str], deep: int = DEEP) -> None:
    """Put a secret into every string of a message and of the messages in it."""
    for field in message.DESCRIPTOR.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            if field.is_repeated:
                getattr(message, field.name).append(next(texts))
            elif field.name != "key":
                setattr(message, field.name, f"before {next(texts)} after")
        elif field.type == FieldDescriptor.TYPE_MESSAGE and deep and field.name not in SKIPPED:
            inner = getattr(message, field.name)
            plant(inner.add() if field.is_repeated else inner, texts, deep - 1)
    if "key" in message.DESCRIPTOR.fields_by_name:
        planted: Any = message
        planted.key = f"key.{next(texts)}"
        planted.value.string_value = f"value {next(texts)}"


SKIPPED = {"value", "array_value", "kvlist_value", "entity_refs"}
"""Values are set with their keys; the others would take their place."""


def telemetry(texts: Iterator[str]) -> dict[str, bytes]:
    """A request of each signal with a secret in every field."""
    requests: dict[str, Any] = {
        "traces": ExportTraceServiceRequest(),
        "logs": ExportLogsServiceRequest(),
        "metrics": ExportMetricsServiceRequest(),
    }
    for request in requests.values():
        plant(request, texts)
    span = requests["traces"].resource_spans[0].scope_spans[0].spans[0]
    span.trace_id, span.span_id = b"t" * 16, b"s" * 8
    span.start_time_unix_nano = span.end_time_unix_nano = TIME_UNIX_NANO
    span.links[0].trace_id, span.links[0].span_id = b"t" * 16, b"s" * 8
    value = span.attributes.add(key="in bytes").value
    value.bytes_value = next(texts).encode()
    span.attributes.add(key="password").value.string_value = "hunter2-planted"
    nested = span.attributes.add(key="nested").value.kvlist_value.values.add(key="password")
    nested.value.array_value.values.add().string_value = "hunter2-planted"
    record = requests["logs"].resource_logs[0].scope_logs[0].log_records[0]
    record.trace_id, record.span_id = b"t" * 16, b"s" * 8
    record.body.string_value = next(texts)
    metric = requests["metrics"].resource_metrics[0].scope_metrics[0].metrics[0]
    point = metric.gauge.data_points.add(as_int=1)
    plant(point, texts, 3)
    return {signal: request.SerializeToString() for signal, request in requests.items()}


def write(client: Client, otlp: str, texts: Iterator[str]) -> None:
    """Send telemetry and REST writes, with secrets in every field that is free."""
    for signal, body in telemetry(texts).items():
        kind = {"content-type": "application/x-protobuf"}
        with urlopen(Request(f"{otlp}/v1/{signal}", body, kind)) as answer:
            assert answer.read() == b"", signal
    client.post_json(
        f"{API}/identity/mission",
        {
            "mission_id": MISSION, "tags": {f"tag-{next(texts)}": next(texts)},
            "metadata": {"note": next(texts), next(texts): [next(texts)],
                         "password": "hunter2-planted"},
        },
    )  # fmt: skip
    client.post_json(
        f"{API}/audit/log",
        {
            "event_type": f"x {next(texts)}", "event_category": "safety", "severity": "info",
            "message": next(texts), "mission_id": MISSION, "caused_by_agent": next(texts),
            "caused_by_event": next(texts), "details": {"amount": 0.1, "text": next(texts)},
        },
    )  # fmt: skip
    client.post_json(
        f"{API}/lifecycle/transition/mission",
        {"entity_id": MISSION, "transition": "cancel", "reason": next(texts),
         "metadata": {"why": next(texts)}, "caused_by": next(texts)},
    )  # fmt: skip


async def test_planted_secrets_are_stored_streamed_and_logged_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, texts = tmp_path / "data", secrets()
    rules = {"deny_patterns": [r"sk-planted-\d+x"], "deny_keys": ["password"]}
    service = Service(load(None, options(folder) | {"content": rules}))
    caplog.set_level(logging.DEBUG)
    addresses = await service.start()
    seen: list[str] = []
    try:
        client = Client(f"http://{addresses.api}")
        await asyncio.to_thread(write, client, f"http://{addresses.otlp_http}", texts)

        def follow() -> None:
            for message in client.stream_events(replay=True):
                seen.append(str(message))
                if "state_changed" in seen[-1] and "cancelled" in seen[-1]:
                    return

        async with asyncio.timeout(60):
            await asyncio.to_thread(follow)
            while not await asyncio.to_thread(archived, client):
                await asyncio.sleep(0.05)
    finally:
        await service.stop()
    assert int(next(texts).removeprefix("sk-planted-")[:-1]) > 60, "many fields were filled"
    told = "".join(seen) + caplog.text
    assert "redacted:hmac-sha256:" in told
    assert SECRET.findall(told) == []
    assert "hunter2" not in told
    assert places_of(folder, "sk-planted") == []
    assert places_of(folder, "hunter2") == []
    assert {"otel_traces", "otel_logs", "neurorail_audit"} <= set(places_of(folder, "redacted:"))
    assert "otel_metrics_gauge" in places_of(folder, "redacted:")


def archived(client: Client) -> bool:
    """Whether the last write is in the table."""
    found = client.get_json(f"{API}/audit/events", {"event_type": "audit_logged"})["events"]
    try:
        client.get_json(f"{API}/audit/proof/{found[0]['audit_id']}")
    except (ClientError, IndexError):
        return False
    return True
