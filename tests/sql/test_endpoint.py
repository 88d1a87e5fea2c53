"""The SQL endpoint, asked by the official client and by hand."""

from __future__ import annotations

import gzip
import json
from typing import Any

import clickhouse_connect
import httpx2
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from tests.sql.conftest import PASSWORD, USER, SqlRail

AUTH = (USER, PASSWORD)


def connected(served: SqlRail, **options: Any) -> Client:
    """The official client over HTTP."""
    host, _, port = served.url.removeprefix("http://").partition(":")
    return clickhouse_connect.get_client(
        host=host, port=int(port), username=USER, password=PASSWORD, database="neurorail", **options
    )


@pytest.mark.parametrize("compress", [True, False, "zstd", "gzip"])
def test_the_official_client_reads_typed_rows(served: SqlRail, compress: bool | str) -> None:
    client = connected(served, compress=compress)
    found = client.query(
        "SELECT SpanAttributes['neurorail.entity.type'] AS level, count(), max(Duration), "
        "groupUniqArray(ServiceName), min(Timestamp) > '2020-01-01' FROM otel_traces "
        "WHERE SpanAttributes['neurorail.mission.id'] = {id:String} GROUP BY level ORDER BY level",
        parameters={"id": served.chain.mission},
    )
    assert [(row[0], row[1]) for row in found.result_rows] == [
        ("attempt", 2), ("job", 1), ("mission", 1), ("plan", 1), ("resource", 1),
    ]  # fmt: skip
    assert all(row[3] == ["agent"] for row in found.result_rows)
    assert client.query("SELECT 1 AS a").summary["read_rows"] == "1"
    client.close()


def test_the_official_client_reads_arrow_frames_and_commands(served: SqlRail) -> None:
    client = connected(served)
    table = client.query_arrow("SELECT event_type, count() AS n FROM neurorail_audit GROUP BY 1")
    counts = dict(zip(*(column.to_pylist() for column in table.columns), strict=True))
    assert counts[b"budget_violation" if b"budget_violation" in counts else "budget_violation"] == 1
    assert client.command("SELECT currentDatabase()") == "neurorail"
    assert "otel_traces" in str(client.command("SHOW TABLES"))
    client.close()


def ask(served: SqlRail, query: str, **parameters: str) -> httpx2.Response:
    return httpx2.post(served.url, params=parameters, content=query.encode(), auth=AUTH, timeout=60)


def test_formats_parameters_and_headers_are_those_of_clickhouse(served: SqlRail) -> None:
    told = ask(served, "SELECT {n:UInt8} + 1 AS a FORMAT JSON", param_n="41", query_id="mine")
    assert told.json()["data"] == [{"a": 42}]
    assert told.headers["x-clickhouse-format"] == "JSON"
    assert told.headers["x-clickhouse-query-id"] == "mine"
    assert told.headers["x-clickhouse-timezone"] == "UTC"
    assert json.loads(told.headers["x-clickhouse-summary"])["read_rows"] == "1"
    assert ask(served, "SELECT 1, 'a'").text == "1\ta\n"
    assert ask(served, "SELECT 1 AS a", default_format="CSVWithNames").text == '"a"\n1\n'
    assert (
        httpx2.post(served.url, params={"query": "SELECT 2"}, auth=AUTH, timeout=60).text == "2\n"
    )
    whole = {"query": "SELECT 3", "user": USER, "password": PASSWORD}
    assert httpx2.get(served.url, params=whole, timeout=60).text == "3\n"
    keys = {"X-ClickHouse-User": USER, "X-ClickHouse-Key": PASSWORD}
    assert httpx2.post(served.url, content=b"SELECT 4", headers=keys, timeout=60).text == "4\n"
    elsewhere = {**keys, "X-ClickHouse-Database": "other"}
    assert (
        httpx2.post(served.url, content=b"SELECT 4", headers=elsewhere, timeout=60).status_code
        == 404
    )
    assert (
        httpx2.post(
            served.url,
            content=b"SELECT 4",
            headers={**keys, "X-ClickHouse-Database": "neurorail", "X-ClickHouse-Format": "CSV"},
            timeout=60,
        ).headers["x-clickhouse-format"]
        == "CSV"
    )
    squeezed = httpx2.post(
        served.url,
        content=gzip.compress(b"SELECT 5"),
        auth=AUTH,
        headers={"Content-Encoding": "gzip"},
        timeout=60,
    )
    assert squeezed.text == "5\n"
    for path in ("/ping", "/"):
        assert httpx2.get(served.url + path, timeout=60).text == "Ok.\n"
    assert httpx2.get(served.url + "/play", timeout=60).status_code == 404


@pytest.mark.parametrize(
    ("query", "parameters", "status", "code"),
    [
        ("SELECT nothing FROM otel_traces", {}, 500, 47),
        ("SELECT 1 FROM", {}, 400, 62),
        ("SELECT 1 FROM no_such_table", {}, 404, 60),
        ("SELECT {n:UInt8}", {}, 400, 456),
        ("SELECT 1", {"database": "other"}, 404, 81),
        ("SELECT 1", {"max_threads": "64"}, 403, 164),
        ("SELECT 1", {"compress": "1"}, 501, 48),
        ("SELECT 1", {"default_format": "No/Format"}, 400, 36),
        ("SELECT 1", {"default_format": "NoFormat"}, 500, 73),
        ("SELECT 1", {"default_format": "dataframe"}, 500, 73),
        ("SELECT 1", {"default_format": "日本"}, 400, 36),
        ("SELECT 1", {"query_id": "x\r\nSet-Cookie: a=b"}, 400, 36),
        ("SELECT 1", {"query_id": "日本"}, 400, 36),
        ("SELECT number FROM numbers(1000001)", {}, 500, 396),
        ("SELECT count() FROM numbers(1000000000000)", {}, 408, 159),
        ("SELECT repeat('x', 1000) FROM numbers(10000)", {}, 500, 396),
        ("SELECT groupArray(repeat('x', 1000)) FROM numbers(10000000)", {}, 500, 241),
        ("SELECT " + "1," * 140_000 + "1", {}, 500, 1002),
    ],
)  # fmt: skip
def test_errors_carry_the_code_of_clickhouse(
    served: SqlRail, query: str, parameters: dict[str, str], status: int, code: int
) -> None:
    told = ask(served, query, **parameters)
    assert told.headers["x-clickhouse-exception-code"] == str(code), told.text
    assert told.text.startswith(f"Code: {code}. DB::Exception: ")
    if status != 500:
        assert told.status_code == status
    assert told.status_code >= 400


def test_the_official_client_raises_errors(served: SqlRail) -> None:
    client = connected(served)
    with pytest.raises(ClickHouseError, match="not enough privileges"):
        client.query("SELECT * FROM url('http://127.0.0.1/', 'CSV')")
    with pytest.raises(ClickHouseError):
        client.insert("otel_logs", [["x"]], ["Body"])
    client.close()


@pytest.mark.parametrize(
    "credentials",
    [
        None,
        ("reader", "wrong"),
        ("admin", PASSWORD),
        ("", ""),
        ("reader", ""),
    ],
)
def test_nobody_reads_without_the_password(
    served: SqlRail, credentials: tuple[str, str] | None
) -> None:
    told = httpx2.post(served.url, content=b"SELECT 1", auth=credentials, timeout=60)
    assert told.status_code == (401 if credentials is None else 403)
    assert told.headers["x-clickhouse-exception-code"] == "516"
    broken = {"Authorization": "Basic !!!"}
    assert (
        httpx2.post(served.url, content=b"SELECT 1", headers=broken, timeout=60).status_code == 403
    )


def test_bodies_that_are_no_query_are_refused(served: SqlRail) -> None:
    for content, headers in (
        (b"\xff\xfe", {}),
        (b"no gzip", {"Content-Encoding": "gzip"}),
        (b"no zstd", {"Content-Encoding": "zstd"}),
        (b"x", {"Content-Encoding": "br"}),
        (gzip.compress(b" " * 1_000_000), {"Content-Encoding": "gzip"}),
        (b"--x", {"Content-Type": "multipart/form-data; boundary=x"}),
    ):
        told = httpx2.post(served.url, content=content, headers=headers, auth=AUTH, timeout=60)
        assert told.status_code >= 400
        assert told.text.startswith("Code: ")
