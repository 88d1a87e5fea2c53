"""One whole rail: a server process, and a ClickHouse beside it that tests can ask."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen
from uuid import uuid4

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from tests.support.otlp_requests import set_attributes, span, traces
from tests.support.process import ServerProcess
from tests.support.waiting import PATIENCE_S, PAUSE_S

from neurorail.client import Client, Problem, StreamMessage, parse_messages
from neurorail.collector.store.store import Store

SECOND = 1_000_000_000
MS = 1_000_000
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
API = "/api/neurorail/v1"
LEVELS = ("mission", "plan", "job", "attempt", "resource")
OPEN_WORK = (
    "neurorail_engine_lag_records",
    "otelcol_exporter_queue_size",
    "neurorail_engine_outbox_batches",
)
"""Gauges that are 0 when every record is applied and every row is stored."""
SERVICES = "/opentelemetry.proto.collector"


def until(told: str, look: Callable[[], Any]) -> Any:
    """What `look` gives as soon as it is true; it is asked again and again.

    Raises:
        AssertionError: it never was.
    """
    ends = time.monotonic() + PATIENCE_S
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < ends, f"{told}: not within {PATIENCE_S} s"
        time.sleep(PAUSE_S)


class Chain:
    """Ids that no other test uses: one mission in one trace."""

    def __init__(self) -> None:
        self.mark = uuid4().hex
        self.trace_id = bytes.fromhex(self.mark)
        self.mission, self.plan, self.job, self.attempt, self.resource = (
            f"{level[0]}_{self.mark}" for level in LEVELS
        )

    @property
    def ids(self) -> tuple[str, ...]:
        """The five ids, from the mission down."""
        return (self.mission, self.plan, self.job, self.attempt, self.resource)

    def span_id(self, number: int) -> str:
        """The id of a span of the trace, in hex: ids of entities are derived from it."""
        return f"{self.mark[:12]}{number:04x}"

    def attributes(self, levels: int = 5, **more: Any) -> dict[str, Any]:
        """The chain's attributes down to a level, and others (`__` in a name is a dot)."""
        chain = dict(zip((f"neurorail.{n}.id" for n in LEVELS), self.ids, strict=True))
        own = dict(list(chain.items())[:levels])
        return own | {name.replace("__", "."): value for name, value in more.items()}

    def span(
        self, number: int, levels: int = 5, *, parent: int = 0, times: tuple[int, int], **more: Any
    ) -> Any:
        """A span of the trace that carries the chain down to a level.

        Args:
            number: makes its id.
            levels: how many ids of the chain it names; 0 for none.
            parent: number of its parent, 0 for none.
            times: start and end, Unix nanoseconds.
            more: further attributes.
        """
        return span(
            self.attributes(levels, **more),
            trace_id=self.trace_id,
            span_id=bytes.fromhex(self.span_id(number)),
            parent_span_id=bytes.fromhex(self.span_id(parent)) if parent else b"",
            start_time_unix_nano=times[0],
            end_time_unix_nano=times[1],
        )

    def entity(self, level: str, number: int, *, times: tuple[int, int], **more: Any) -> Any:
        """The own span of one of the chain's entities."""
        depth = LEVELS.index(level) + 1
        more["neurorail.entity.type"] = level
        return self.span(number, depth, times=times, **more)


def lifecycle_log(attributes: Mapping[str, Any], at_unix_nano: int, **fields: Any) -> bytes:
    """A request with one `neurorail.lifecycle.transition` event."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    set_attributes(group.resource.attributes, {"service.name": "agent"})
    record = group.scope_logs.add().log_records.add(
        event_name="neurorail.lifecycle.transition", time_unix_nano=at_unix_nano, **fields
    )
    set_attributes(record.attributes, attributes)
    return request.SerializeToString()


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP listener answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Rail:
    """A running server. `store` reads the same tables beside it, where the backend allows it."""

    server: ServerProcess
    store: Store | None = None
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(self.server.api, timeout_s=PATIENCE_S)

    # ── sending ──────────────────────────────────────────────────────────────────────────────

    def post(
        self,
        signal: str,
        body: bytes,
        content_type: str | None = PROTOBUF,
        *,
        method: str = "POST",
        **headers: str,
    ) -> Answer:
        """Send a body to the OTLP/HTTP listener as it is (`_` in a header's name is `-`)."""
        host = self.server.otlp_http.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=60)
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            if content_type is not None:
                given["content-type"] = content_type
            connection.request(method, f"/v1/{signal}", body=body, headers=given)
            response = connection.getresponse()
            known = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, known, response.read())
        finally:
            connection.close()

    def send(self, signal: str, body: bytes) -> None:
        """Send a protobuf body that must be taken whole."""
        answer = self.post(signal, body)
        assert (answer.status, answer.body) == (200, b""), answer

    def send_spans(self, *spans: Any) -> None:
        """Send spans in one request."""
        self.send("traces", traces(*spans))

    def call(self, body: bytes, service: str = "trace.v1.TraceService") -> bytes:
        """Send a body over gRPC; its answer.

        Raises:
            grpc.RpcError: the server refused.
        """
        with grpc.insecure_channel(self.server.otlp_grpc) as channel:
            export = channel.unary_unary(f"{SERVICES}.{service}/Export", None, None)
            answer: bytes = export(body, timeout=60)
        return answer

    def partial(self, body: bytes) -> tuple[int, str]:
        """How many spans of a request were rejected over gRPC, and why."""
        said = ExportTraceServiceResponse.FromString(self.call(body)).partial_success
        return said.rejected_spans, said.error_message

    # ── asking ───────────────────────────────────────────────────────────────────────────────

    def get(self, path: str, **query: Any) -> Any:
        """JSON of the API."""
        return self.client.get_json(f"{API}{path}", query)

    def entity(self, entity_id: str, done: Callable[[Any], Any] = bool) -> Any:
        """An entity's tree as the trace endpoint gives it, once it is there and `done`."""
        level = LEVELS["mpjar".index(entity_id[0])]

        def look() -> Any:
            try:
                tree = self.get(f"/identity/trace/{level}/{entity_id}")
            except Problem as problem:
                if problem.status != 404:
                    raise
                return None
            return tree if done(tree) else None

        return until(f"the tree of {entity_id}", look)

    def in_state(self, entity_id: str, state: str) -> Any:
        """An entity, once it is in a state."""
        level = LEVELS["mpjar".index(entity_id[0])]
        return self.entity(entity_id, lambda tree: tree[level]["state"] == state)[level]

    def ended(self, chain: Chain) -> Any:
        """The tree of a mission that has ended."""
        return self.entity(chain.mission, lambda tree: tree["mission"]["ended_at"])

    def events(self, mission_id: str, event_type: str, count: int = 1) -> list[dict[str, Any]]:
        """Events of a type about a mission, oldest first, once there are `count`."""

        def look() -> Any:
            page = self.get("/audit/events", mission_id=mission_id, event_type=event_type)
            return page["events"][::-1] if len(page["events"]) >= count else None

        found: list[dict[str, Any]] = until(f"{event_type} of {mission_id}", look)
        return found

    def rows(self, sql: str, count: int = 1, **parameters: Any) -> list[dict[str, Any]]:
        """Rows of the store, once there are at least `count`."""
        assert self.store is not None, "this rail's store cannot be read beside the server"
        store = self.store

        def look() -> Any:
            rows = store.query(sql, parameters)
            return rows if len(rows) >= count else None

        found: list[dict[str, Any]] = until(sql, look)
        return found

    def spans(self, trace_id: str, count: int = 1) -> list[dict[str, Any]]:
        """The rows of a trace in `otel_traces`, by span id, once there are `count`."""
        sql = "SELECT * FROM otel_traces WHERE TraceId = {trace:String} ORDER BY SpanId"
        return self.rows(sql, count, trace=trace_id)

    def metrics(self) -> dict[str, float]:
        """The server's own metrics, series of one name added up."""
        with urlopen(f"{self.server.api}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        found: dict[str, float] = {}
        for line in lines:
            if not line.startswith("#"):
                series, _, number = line.rpartition(" ")
                name = series.partition("{")[0]
                found[name] = found.get(name, 0.0) + float(number)
        return found

    def all_is_applied(self) -> None:
        """Wait until all events of what was taken can be read.

        What an entity has become can be seen a moment before the events that tell of it.
        """
        lag = "neurorail_engine_lag_records"
        until("all that was taken is applied", lambda: not self.metrics()[lag])

    def all_is_stored(self) -> None:
        """Wait until nothing waits for the engine or for ClickHouse."""

        def nothing_waits() -> bool:
            now = self.metrics()
            return not any(now[name] for name in OPEN_WORK)

        until("all that was taken is stored", nothing_waits)

    def must_be_ready(self) -> None:
        """The process is alive and says that it works."""
        assert self.server.process.poll() is None
        assert self.client.get_json("/ready")["status"] == "ready"

    def must_archive(self) -> None:
        """A span sent now is stored."""
        chain, now = Chain(), time.time_ns()
        self.send_spans(chain.entity("mission", 1, times=(now - MS, now)))
        assert len(self.spans(chain.mark)) == 1


class Listener:
    """A stream of server-sent events, read by a thread of its own."""

    def __init__(self, rail: Rail, last_event_id: str, query: Mapping[str, Any]) -> None:
        self.messages: list[StreamMessage] = []
        connection = http.client.HTTPConnection(rail.server.api.removeprefix("http://"), timeout=60)
        headers = {"last-event-id": last_event_id} if last_event_id else {}
        asked = urlencode(query, doseq=True)
        connection.request("GET", f"{API}/stream/events?{asked}", headers=headers)
        self._socket = connection.sock
        self._response = connection.getresponse()
        assert self._response.status == 200, self._response.read()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        # However the connection ends, what came is what counts.
        with suppress(OSError, http.client.HTTPException, ValueError):
            for message in parse_messages(self._response):
                if isinstance(message, StreamMessage):
                    self.messages.append(message)

    def until(self, enough: Callable[[Sequence[StreamMessage]], Any]) -> list[StreamMessage]:
        """The messages, once they are enough."""
        until("messages of the stream", lambda: enough(self.messages))
        return list(self.messages)

    def close(self) -> None:
        """End the stream."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._response.close()
        self._socket.close()


@contextmanager
def listening(rail: Rail, last_event_id: str = "", **query: Any) -> Iterator[Listener]:
    """A stream that is subscribed when the context begins."""
    listener = Listener(rail, last_event_id, query)
    try:
        yield listener
    finally:
        listener.close()


def config_file(folder: Path, **sections: Any) -> Path:
    """A configuration file; JSON is YAML."""
    path = folder / "neurorail.yaml"
    path.write_text(json.dumps(sections), encoding="utf-8")
    return path
