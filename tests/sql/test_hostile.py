"""Queries that want more than to read what is stored. Each must be refused, and do nothing."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from tests.sql.conftest import PASSWORD, USER, SqlRail

DENIED = "497"
READONLY = "164"


def told(served: SqlRail, query: str) -> httpx2.Response:
    return httpx2.post(served.url, content=query.encode(), auth=(USER, PASSWORD), timeout=60)


def test_no_table_function_opens_a_way_out(served: SqlRail) -> None:
    names = told(served, "SELECT name FROM system.table_functions").text.split()
    assert {"file", "url", "s3", "executable", "remote", "mysql", "sqlite", "input"} < set(names)
    for name in names:
        for call in (f"{name}('a', 'b')", f"{name.upper()}('a', 'b')", f"`{name}`('a', 'b')"):
            answer = told(served, f"SELECT * FROM {call}")
            assert answer.status_code >= 400, call
            if name.lower() != "numbers":
                # A few take a query: what they were given is then no query at all.
                code = answer.headers["x-clickhouse-exception-code"]
                assert code in (DENIED, "62", "42"), (call, answer.text)


def test_functions_that_are_not_listed_are_refused(served: SqlRail) -> None:
    for name in (
        "file", "sleep", "sleepEachRow", "dictGet", "joinGet", "aiGenerate", "addressToLine",
        "getSetting", "hostName", "transactionID", "filesystemAvailable", "evalMLMethod", "decrypt",
        "catboostEvaluate", "throwIf", "initializeAggregation", "viewExplain", "logTrace", "tid",
    ):  # fmt: skip
        answer = told(served, f"SELECT {name}('a', 'b', 1)")
        assert answer.headers["x-clickhouse-exception-code"] == DENIED, answer.text


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO otel_logs (Body) VALUES ('x')",
        "DROP TABLE otel_logs",
        "TRUNCATE TABLE neurorail_audit",
        "ALTER TABLE otel_logs DELETE WHERE 1",
        "CREATE TABLE x (a UInt8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE x (a UInt8)",
        "ATTACH DATABASE x",
        "DETACH TABLE otel_logs",
        "RENAME TABLE otel_logs TO x",
        "OPTIMIZE TABLE otel_logs",
        "SYSTEM SHUTDOWN",
        "SYSTEM FLUSH LOGS",
        "KILL QUERY WHERE 1",
        "SET readonly = 0",
        "USE default",
        "GRANT ALL ON *.* TO reader",
        "BACKUP TABLE x TO File('/tmp/x')",
        "EXPLAIN SELECT 1",
        "EXPLAIN AST SELECT 1",
        "WATCH x",
        "CHECK TABLE otel_logs",
        "SHOW GRANTS",
        "SHOW CREATE TABLE otel_logs",
        "SHOW PROCESSLIST",
        "SHOW TABLES FROM default",
        "DELETE FROM otel_logs WHERE 1",
        "UPDATE otel_logs SET Body = 'x' WHERE 1",
        "SELECT 1; DROP TABLE otel_logs",
        "SELECT 1; SELECT 2",
        "/* SELECT */ DROP TABLE otel_logs",
        "-- SELECT 1\nDROP TABLE otel_logs",
        "(SELECT 1); DROP TABLE otel_logs",
        "WITH x AS (SELECT 1) INSERT INTO otel_logs (Body) SELECT 'x'",
        "INSERT INTO FUNCTION file('/tmp/x', 'CSV') SELECT 1",
        "PARALLEL WITH SELECT 1",
    ],
)
def test_statements_that_are_no_reading_are_refused(served: SqlRail, query: str) -> None:
    answer = told(served, query)
    code = answer.headers["x-clickhouse-exception-code"]
    assert code in (DENIED, READONLY, "62"), answer.text


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM default.`/etc/hostname`",
        "SELECT * FROM `default`.`/etc/hostname`",
        "SELECT 'a' IN default.`/etc/hostname`",
        "SELECT 'a' IN (SELECT * FROM default.`/etc/hostname`)",
        "SELECT in('a', default.`/etc/hostname`)",
        "SELECT * FROM system.processes",
        "SELECT * FROM system.query_log",
        "SELECT * FROM system.server_settings",
        "SELECT * FROM system.users",
        "SELECT 1 IN system.disks",
        "SELECT (SELECT any(path) FROM system.disks)",
        "WITH (SELECT 1 FROM system.parts) AS x SELECT x",
        "SELECT 1 FROM otel_logs JOIN system.parts AS p ON 1 = 1",
        "SELECT 1 UNION ALL SELECT 1 FROM system.parts",
        "SELECT 1 ORDER BY (SELECT 1 FROM system.parts)",
        "SELECT x FROM (SELECT 1 AS x) LIMIT (SELECT 1 FROM system.parts)",
        "SELECT * FROM view(SELECT * FROM system.parts)",
        "SELECT arrayMap(x -> sleep(1), [1])",
        "SELECT sumIf(1, sleep(1))",
        "SELECT 1 WHERE sleep(1)",
        "SELECT 1 GROUP BY sleep(1)",
        "SELECT 1 AS `a\nLiteral`, sleep(1)",
        "SELECT 'a\n(', sleep(1) AS `b)\n Function plus`",
        "SELECT 1 SETTINGS max_threads = 1",
        "SELECT * FROM (SELECT 1 SETTINGS max_execution_time = 0)",
        "SELECT row_number() OVER (ORDER BY sleep(1))",
        "DESCRIBE TABLE default.x",
        "DESCRIBE TABLE url('http://127.0.0.1/')",
        "EXISTS TABLE system.parts",
    ],
)
def test_what_is_not_the_stores_own_is_not_read(served: SqlRail, query: str) -> None:
    answer = told(served, query)
    assert answer.status_code >= 400
    assert answer.headers["x-clickhouse-exception-code"] in (DENIED, READONLY), answer.text


@pytest.mark.parametrize(
    "clause",
    [
        "INTO OUTFILE '{}'",
        "INTO OUTFILE '{}' TRUNCATE",
        "INTO OUTFILE '{}' AND STDOUT FORMAT CSV",
        "FORMAT CSV INTO OUTFILE '{}'",
        "INTO/**/OUTFILE '{}'",
        "INTO OUTFILE '{}' COMPRESSION 'gzip'",
    ],
)
def test_no_file_is_written(served: SqlRail, tmp_path: Path, clause: str) -> None:
    target = tmp_path / "written"
    answer = told(served, f"SELECT 1 {clause.format(target)}")
    assert answer.status_code >= 400, answer.text
    assert list(tmp_path.iterdir()) == []


def test_after_all_of_this_the_store_is_as_it_was(served: SqlRail) -> None:
    assert told(served, "SELECT count() FROM otel_logs WHERE Body = 'x'").text == "0\n"
    found = told(served, "SELECT count() FROM neurorail_audit").text
    assert int(found) > 10
    assert told(served, "EXISTS TABLE otel_logs").text == "1\n"
