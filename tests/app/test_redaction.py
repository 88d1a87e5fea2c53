"""Secrets planted in every field, and none in the store, the files, the stream or the logs.

They come by telemetry, by every kind of write over HTTP, by an import, and in what webhooks and
destinations of exports answer; they are looked for in what these are sent, too.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
from tests.end_to_end.rail import until
from tests.support.otlp_requests import TIME_UNIX_NANO
from tests.support.waiting import PROGRAM_S

from neurorail.app.config_load import load
from neurorail.app.service import Service
from neurorail.client import Client, ClientError, Problem, Unavailable, calls
from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.store import Store

SECRET = re.compile(r"sk-planted-[0-9]+x")
MISSION = "m_redacted"
DEEP = 12


API = "/api/neurorail/v1"
GOVERNOR = "/api/governor/v1"


def options(folder: Path, elsewhere: str) -> dict[str, Any]:
    """A server on free ports, that sends alerts and telemetry elsewhere."""
    address = {"address": "127.0.0.1:0"}
    secret = folder.parent / "secret"
    secret.write_text("signs alerts")
    webhook = {"name": "hook", "url": f"{elsewhere}/hook", "secret_file": secret,
               "events": ["audit_logged"]}  # fmt: skip
    destination = {"endpoint": elsewhere, "protocol": "http/protobuf", "compression": "none"}
    return {"data_dir": folder, "otlp": {"grpc": address, "http": address}, "api": address,
            "audit": {"checkpoint_interval_s": 0.2}, "metrics": {"snapshot_interval_s": 0.5},
            "alerts": {"webhooks": [webhook]},
            "export": {"destinations": {"there": destination}}}  # fmt: skip


@contextmanager
def refusing(texts: Iterator[str], sent: list[bytes]) -> Iterator[str]:
    """A webhook and a destination that take nothing, and say a secret; what they were sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(self.rfile.read(int(self.headers["content-length"])))
            said = f"no, because {next(texts)}".encode()
            self.send_response(400)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


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
    files = [path for path in folder.rglob("*") if path.is_file()]
    own = [path for path in files if folder / "clickhouse" not in path.parents]
    return found + [path.name for path in own if text.encode() in path.read_bytes()]


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


def telemetry(texts: Iterator[str], mark: bytes = b"t") -> dict[str, bytes]:
    """A request of each signal with a secret in every field."""
    requests: dict[str, Any] = {
        "traces": ExportTraceServiceRequest(),
        "logs": ExportLogsServiceRequest(),
        "metrics": ExportMetricsServiceRequest(),
    }
    for request in requests.values():
        plant(request, texts)
    span = requests["traces"].resource_spans[0].scope_spans[0].spans[0]
    span.trace_id, span.span_id = mark * 16, b"s" * 8
    span.start_time_unix_nano = span.end_time_unix_nano = TIME_UNIX_NANO
    span.links[0].trace_id, span.links[0].span_id = mark * 16, b"s" * 8
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


def write(client: Client, otlp: str, texts: Iterator[str]) -> str:
    """Send telemetry and REST writes, with secrets in every field that is free.

    Returns:
        A key: once one is made, nothing is answered without.
    """
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
    govern(client, texts)
    tell_the_server(client, texts)
    imported = client.ask(calls.import_traces(telemetry(texts, b"i")["traces"]))
    assert imported["accepted"] == 1
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
    key = client.post_json(f"{API}/rbac/keys", {"name": next(texts), "role": "admin"})
    assert SECRET.findall(str(key)) == []
    return str(key["key"])


MANIFEST = "neurorail_manifest: 1\nname: a\nversion: v1\ndefault_mode: direct\n"


def govern(client: Client, texts: Iterator[str]) -> None:
    """Ask, decide, settle, change and stop, with secrets in every field that is free."""
    decided = client.post_json(
        f"{GOVERNOR}/decide",
        {"mission_id": MISSION, "job_type": f"t {next(texts)}", "estimates": {"tokens": 5},
         "context": {"agent": next(texts), "password": "hunter2-planted", next(texts): 1,
                     "model": next(texts)},
         "override": next(texts)},
        idempotency_key=next(texts),
    )  # fmt: skip
    reservation = decided["reservation"]["id"]
    client.post_json(f"{GOVERNOR}/reservations/{reservation}/release", {})
    client.post_json(
        f"{API}/telemetry/record",
        {"entity_type": "mission", "entity_id": MISSION, "input_tokens": 3, "model": next(texts),
         "provider": next(texts), "error_code": next(texts),
         "metadata": {"why": next(texts), "password": {"deep": "hunter2-planted"}}},
        idempotency_key=next(texts),
    )  # fmt: skip
    client.post_json(
        f"{API}/budgets/mission/{MISSION}",
        {"limits": {"max_tokens": 10_000}, "reason": next(texts)},
    )
    scope = {"agent": next(texts)}
    for action in ("suspend", "kill"):
        issued = client.post_json(f"{API}/reflex/{action}", {"scope": scope, "reason": next(texts)})
        lift = {"suspend": "resume", "kill": "release"}[action]
        named = {"directive_id": issued["directive_id"], "reason": next(texts)}
        client.post_json(f"{API}/reflex/{lift}", named)
    client.post_json(f"{GOVERNOR}/manifests", {"source": MANIFEST})
    client.post_json(f"{GOVERNOR}/manifests/v1/shadow", {"reason": next(texts)})
    erasure = {"mission_id": "m_of_nobody", "reason": next(texts)}

    def erased() -> bool:
        try:
            client.post_json(f"{API}/audit/erase", erasure)
        except Unavailable:  # The archive is behind, it says: again later.
            return False
        return True

    until("the erasure", erased)


def tell_the_server(client: Client, texts: Iterator[str]) -> None:
    """Say what the server notes by itself, in records of its own."""
    client.post_json(
        f"{API}/agents",
        {"instance_id": f"i-{next(texts)}", "agent": next(texts), "service": next(texts),
         "version": next(texts), "sdk": next(texts), "runtime": next(texts), "host": next(texts)},
    )  # fmt: skip
    assert SECRET.findall(str(client.get_json(f"{API}/agents"))) == []
    # A manifest is kept to the letter: it is refused, and what it says is not repeated.
    for path in ("manifests", "backtests"):
        source = f"{MANIFEST}# {next(texts)}\n"
        with pytest.raises(Problem, match="line 5 of source") as refused:
            client.post_json(f"{GOVERNOR}/{path}", {"source": source})
        assert SECRET.findall(f"{refused.value} {refused.value.details}") == []


async def test_planted_secrets_are_stored_streamed_and_logged_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, texts = tmp_path / "data", secrets()
    seen: list[str] = []
    sent: list[bytes] = []
    with refusing(texts, sent) as elsewhere:
        await serve(folder, elsewhere, texts, seen, caplog)
    told = "".join(seen) + caplog.text
    assert int(next(texts).removeprefix("sk-planted-")[:-1]) > 100, "many fields were filled"
    assert "redacted:hmac-sha256:" in told
    assert "was not taken by hook: no, because redacted:" in caplog.text
    assert SECRET.findall(told) == []
    assert "hunter2" not in told
    bodies = b"".join(sent)
    assert b"redacted:hmac-sha256:" in bodies
    assert SECRET.findall(bodies.decode("utf-8", "replace")) == []
    assert b"hunter2" not in bodies
    assert places_of(folder, "sk-planted") == []
    assert places_of(folder, "hunter2") == []
    found = set(places_of(folder, "redacted:"))
    assert {"otel_traces", "otel_logs", "otel_metrics_gauge", "neurorail_audit"} <= found


WANTED = {"alert_failed", "export_dropped", "agent_connected", "key_created", "manifest_created",
          "directive_issued", "budget_changed", "data_erased", "mode_decided", "override_used",
          "snapshot_created", "cost_tracked"}  # fmt: skip
"""Types of event by which it is told that what was planted arrived."""


async def serve(
    folder: Path, elsewhere: str, texts: Iterator[str], seen: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Run a server with rules, write to it, and let its stream be followed to the end."""
    rules = {"deny_patterns": [r"sk-planted-\d+x"], "deny_keys": ["password"]}
    service = Service(load(None, options(folder, elsewhere) | {"content": rules}))
    caplog.set_level(logging.DEBUG)
    addresses = await service.start()
    try:
        client = Client(f"http://{addresses.api}", timeout_s=PROGRAM_S)
        key = await asyncio.to_thread(write, client, f"http://{addresses.otlp_http}", texts)
        client = Client(f"http://{addresses.api}", key, PROGRAM_S)

        def follow() -> None:
            missing = set(WANTED)
            for message in client.stream_events(replay=True):
                seen.append(str(message))
                missing.discard(message.event_type)
                if not missing:
                    return

        async with asyncio.timeout(PROGRAM_S):
            await asyncio.to_thread(follow)
            while not await asyncio.to_thread(archived, client):
                await asyncio.sleep(0.05)
    finally:
        await service.stop()


def archived(client: Client) -> bool:
    """Whether the last write is in the table."""
    found = client.get_json(f"{API}/audit/events", {"event_type": "audit_logged"})["events"]
    try:
        client.get_json(f"{API}/audit/proof/{found[0]['audit_id']}")
    except (ClientError, IndexError):
        return False
    return True
