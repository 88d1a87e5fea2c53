"""The spans of one mission, as an instrumented agent would export them.

About a quarter are the mission's own chain (mission, plan, jobs, attempts, resources); the rest is
what surrounds them in a real trace: HTTP calls, database queries, internal steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from neurorail.semconv import attributes as names

MARK: Final = bytes.fromhex("c7e15d9ab32f")
"""Stands for a mission's number in its ids: as these bytes in trace and span ids, as their
hexadecimal digits in texts. Generators overwrite both."""
MS_NS: Final = 1_000_000

Attribute = str | int | float | bool
Attributes = dict[str, Attribute]


@dataclass(slots=True)
class _Mission:
    """What the spans of a mission share while they are made."""

    random: Random
    begin_unix_nano: int
    trace_id: bytes
    spans: int = 0

    def span_id(self) -> bytes:
        self.spans += 1
        return MARK + self.spans.to_bytes(2, "big")

    def text_id(self, prefix: str) -> str:
        return f"{prefix}{self.random.randbytes(10).hex()}{MARK.hex()}"


def mission_spans(size: int, seed: int, begin_unix_nano: int) -> list[Span]:
    """Return the `size` spans of a mission, children before parents.

    Raises:
        ValueError: if `size` is too small for a chain with one model call and one tool call.
    """
    if size < 8:
        raise ValueError(f"a mission of {size} spans has no room for its chain: at least 8")
    random = Random(seed)
    mission = _Mission(random, begin_unix_nano, bytes(random.randbytes(10)) + MARK)
    chain: Attributes = {names.MISSION_ID: mission.text_id("m_")}
    root = _entity(mission, "mission", chain, None, 0, 900, {names.TAG_PREFIX + "team": "search"})
    chain = {**chain, names.PLAN_ID: mission.text_id("p_")}
    plan = _entity(mission, "plan", chain, root, 1, 890, {names.PLAN_TYPE: "sequential"})
    jobs = max(1, size // 25)
    spans: list[Span] = []
    for job in range(jobs):
        room = (size - 2) * (job + 1) // jobs - (size - 2) * job // jobs
        spans += _job_spans(mission, chain, plan, room)
    return [*spans, plan, root]


def ordinary_spans(size: int, seed: int, begin_unix_nano: int) -> list[Span]:
    """Return the `size` spans of a trace without an agent, children before their root."""
    random = Random(seed)
    trace = _Mission(random, begin_unix_nano, bytes(random.randbytes(10)) + MARK)
    own: Attributes = {"app.version": "1.4.2", "app.region": "eu", "app.team": "search"}
    asked: Attributes = {**own, "http.request.method": "POST", "url.path": "/search"}
    root = _span(trace, "POST /search", Span.SPAN_KIND_SERVER, asked, None, 0, 900)
    steps = [_step(trace, own, root, index, 5 + index) for index in range(size - 1)]
    return [*steps, root]


def _job_spans(mission: _Mission, above: Attributes, plan: Span, room: int) -> list[Span]:
    chain = {**above, names.JOB_ID: mission.text_id("j_")}
    job = _entity(mission, "job", chain, plan, 2, 800, {names.JOB_TYPE: "llm_call"})
    retried = room > 12 and mission.random.random() < 0.2
    attempts = 2 if retried else 1
    spans: list[Span] = []
    for number in range(1, attempts + 1):
        share = (room - 1) * number // attempts - (room - 1) * (number - 1) // attempts
        failed = number < attempts
        spans += _attempt_spans(mission, chain, job, number, share, failed=failed)
    return [*spans, job]


def _attempt_spans(
    mission: _Mission, above: Attributes, job: Span, number: int, room: int, *, failed: bool
) -> list[Span]:
    chain = {**above, names.ATTEMPT_ID: mission.text_id("a_")}
    own: Attributes = {names.ATTEMPT_NUMBER: number, "gen_ai.agent.name": "researcher"}
    if failed:
        own |= {names.OUTCOME: "failed", names.ERROR_CODE: "NR-E004"}
    begin_ms = 10 + 350 * (number - 1)
    attempt = _entity(mission, "attempt", chain, job, begin_ms, 300, own)
    if failed:
        attempt.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="upstream is away"))
        attempt.events.add(
            name="exception", time_unix_nano=attempt.end_time_unix_nano
        ).attributes.extend(
            _key_values({"exception.type": "UpstreamError", "exception.message": "503"})
        )
    model = _model_call(mission, chain, attempt, begin_ms + 5)
    tool = _tool_call(mission, chain, attempt, begin_ms + 150)
    parents = (attempt, model, tool)
    steps = [
        _step(mission, chain, parents[index % 3], index, begin_ms + 6 + index)
        for index in range(max(0, room - 3))
    ]
    return [*steps, tool, model, attempt]


def _model_call(mission: _Mission, above: Attributes, parent: Span, begin_ms: int) -> Span:
    identity = mission.text_id("r_")
    own: Attributes = {
        names.RESOURCE_TYPE: "llm_call",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.id": f"chatcmpl-{identity}",
        "gen_ai.usage.input_tokens": mission.random.randint(200, 4_000),
        "gen_ai.usage.output_tokens": mission.random.randint(20, 800),
    }
    chain = {**above, names.RESOURCE_ID: identity}
    span = _entity(mission, "resource", chain, parent, begin_ms, 120, own)
    span.name, span.kind = "chat gpt-4o-mini", Span.SPAN_KIND_CLIENT
    return span


def _tool_call(mission: _Mission, above: Attributes, parent: Span, begin_ms: int) -> Span:
    own: Attributes = {
        names.RESOURCE_TYPE: "tool_call",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "search_documents",
        "gen_ai.tool.type": "function",
    }
    chain = {**above, names.RESOURCE_ID: mission.text_id("r_")}
    span = _entity(mission, "resource", chain, parent, begin_ms, 60, own)
    span.name = "execute_tool search_documents"
    return span


def _step(mission: _Mission, chain: Attributes, parent: Span, index: int, begin_ms: int) -> Span:
    """An ordinary span below an attempt: HTTP, database or internal, in turn."""
    random = mission.random
    name, kind, own = (_http, _database, _internal)[index % 3](random)
    span = _span(mission, name, kind, {**chain, **own}, parent, begin_ms, random.randint(1, 40))
    if index % 6 == 2:
        event = span.events.add(name="cache.miss", time_unix_nano=span.start_time_unix_nano)
        event.attributes.extend(_key_values({"cache.key": f"page:{random.randint(1, 999)}"}))
    return span


def _http(random: Random) -> tuple[str, Span.SpanKind.ValueType, Attributes]:
    page = random.randint(1, 5_000)
    own: Attributes = {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.full": f"https://docs.example.com/pages/{page}?lang=en",
        "server.address": "docs.example.com",
        "server.port": 443,
        "network.protocol.version": "1.1",
    }
    return "GET", Span.SPAN_KIND_CLIENT, own


def _database(random: Random) -> tuple[str, Span.SpanKind.ValueType, Attributes]:
    own: Attributes = {
        "db.system.name": "postgresql",
        "db.namespace": "library",
        "db.operation.name": "SELECT",
        "db.query.text": "SELECT id, title, body FROM pages WHERE id = $1",
        "db.response.returned_rows": random.randint(0, 50),
        "server.address": "db-1",
    }
    return "SELECT library.pages", Span.SPAN_KIND_CLIENT, own


def _internal(random: Random) -> tuple[str, Span.SpanKind.ValueType, Attributes]:
    own: Attributes = {
        "code.function.name": "library.rank.score",
        "thread.id": random.randint(1, 64),
        "thread.name": "worker",
        "rank.candidates": random.randint(10, 500),
        "rank.threshold": 0.25,
        "rank.cached": bool(random.getrandbits(1)),
    }
    return "rank", Span.SPAN_KIND_INTERNAL, own


def _entity(
    mission: _Mission,
    entity_type: str,
    chain: Attributes,
    parent: Span | None,
    begin_ms: int,
    duration_ms: int,
    own: Attributes,
) -> Span:
    common: Attributes = {
        names.ENTITY_TYPE: entity_type,
        "app.version": "1.4.2",
        "app.region": "eu",
    }
    attributes = {**chain, **common, **own}
    kind = Span.SPAN_KIND_INTERNAL
    return _span(mission, entity_type, kind, attributes, parent, begin_ms, duration_ms)


def _span(
    mission: _Mission,
    name: str,
    kind: Span.SpanKind.ValueType,
    attributes: Attributes,
    parent: Span | None,
    begin_ms: int,
    duration_ms: int,
) -> Span:
    begin_unix_nano = mission.begin_unix_nano + begin_ms * MS_NS
    return Span(
        trace_id=mission.trace_id,
        span_id=mission.span_id(),
        parent_span_id=b"" if parent is None else parent.span_id,
        name=name,
        kind=kind,
        start_time_unix_nano=begin_unix_nano,
        end_time_unix_nano=begin_unix_nano + duration_ms * MS_NS,
        attributes=_key_values(attributes),
        flags=0x101,
    )


def _key_values(attributes: Attributes) -> Iterator[KeyValue]:
    for key, value in attributes.items():
        yield KeyValue(key=key, value=_any_value(value))


def _any_value(value: Attribute) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case _:
            return AnyValue(string_value=value)
