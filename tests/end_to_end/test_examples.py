"""The example bodies of the OTLP specification, posted as they are, and what is stored of them."""

from __future__ import annotations

import json
from typing import Any

from tests.collector.otlp import examples
from tests.end_to_end.rail import JSON, Chain, Rail

MINUTE = "2018-12-13 14:51"
SCOPE_ATTRIBUTES = {"my.scope.attribute": "some scope attribute"}


def post(rail: Rail, signal: str, example: dict[str, Any], chain: Chain) -> None:
    """Post an example whose service and trace are the test's own."""
    text = json.dumps(example).replace("my.service", chain.mark)
    text = text.replace("5B8EFFF798038103D269B633813FC60C", chain.mark.upper())
    answer = rail.post(signal, text.encode(), JSON)
    assert (answer.status, answer.body) == (200, b"{}"), answer
    assert answer.headers["content-type"] == JSON


def rows(rail: Rail, table: str, chain: Chain) -> dict[str, Any]:
    """The one row of the example's service in a table."""
    sql = f"SELECT *, toString(Timestamp) AS At FROM {table} WHERE ServiceName = {{s:String}}"
    (row,) = rail.rows(sql, s=chain.mark)
    return row


def test_trace(rail: Rail, chain: Chain) -> None:
    post(rail, "traces", examples.TRACE, chain)
    row = rows(rail, "otel_traces", chain)
    assert (row["TraceId"], row["SpanId"]) == (chain.mark, "eee19b7ec3c1b174")
    assert row["ParentSpanId"] == "eee19b7ec3c1b173"
    assert (row["SpanName"], row["SpanKind"]) == ("I'm a server span", "Server")
    assert row["SpanAttributes"] == {"my.span.attr": "some value"}
    assert (row["ScopeName"], row["ScopeVersion"]) == ("my.library", "1.0.0")
    assert (row["At"], row["Duration"]) == (f"{MINUTE}:00.000000000", 1_000_000_000)


def test_log(rail: Rail, chain: Chain) -> None:
    post(rail, "logs", examples.LOGS, chain)
    row = rows(rail, "otel_logs", chain)
    assert row["Body"] == "Example log record"
    assert (row["SeverityNumber"], row["SeverityText"]) == (10, "Information")
    assert row["ScopeAttributes"] == SCOPE_ATTRIBUTES
    assert row["At"] == f"{MINUTE}:00.300000000"
    assert row["LogAttributes"] == {
        "string": "some string",
        "boolean": "true",
        "int": "10",
        "double": "637.704",
        "array": '["many","values"]',
        "map": '{"k":"v"}',
    }


def test_event(rail: Rail, chain: Chain) -> None:
    post(rail, "logs", examples.EVENTS, chain)
    row = rows(rail, "otel_logs", chain)
    assert (row["EventName"], row["TraceId"]) == ("browser.page_view", chain.mark)
    assert json.loads(row["Body"]) == {"type": 0}


def test_metrics(rail: Rail, chain: Chain) -> None:
    post(rail, "metrics", examples.METRICS, chain)

    def stored(kind: str, columns: str) -> tuple[Any, ...]:
        where = "WHERE ServiceName = {s:String}"
        sql = f"SELECT MetricName, {columns} FROM otel_metrics_{kind} {where}"
        (row,) = rail.rows(sql, s=chain.mark)
        return tuple(row.values())

    assert stored("sum", "Value, AggregationTemporality, IsMonotonic") == ("my.counter", 5, 1, True)
    assert stored("gauge", "Value, ScopeAttributes") == ("my.gauge", -10, SCOPE_ATTRIBUTES)
    histogram = stored("histogram", "Count, Sum, BucketCounts, ExplicitBounds, `Exemplars.Value`")
    assert histogram == ("my.histogram", 2, 2, [1, 1], [1], [1.5])
    exponential = stored(
        "exp_histogram", "Scale, ZeroCount, PositiveOffset, PositiveBucketCounts, NegativeOffset"
    )
    assert exponential == ("my.exponential.histogram", -1, 1, 1, [0, 2], -3)
    summary = stored("summary", "Count, isNaN(Sum), `ValueAtQuantiles.Value`")
    assert summary == ("my.summary", 1, 1, [7])
