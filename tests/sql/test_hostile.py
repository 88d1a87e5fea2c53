"""Queries that want more than to read what is stored. Each must be refused, and do nothing."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
from tests.sql.conftest import PASSWORD, USER, SqlRail

from neurorail.collector.sql.errors import QueryError
from neurorail.collector.sql.functions import allowed_functions
from neurorail.collector.sql.guard import TABLE_FUNCTIONS, Allowed, check

DENIED = "497"
READONLY = "164"


def told(served: SqlRail, query: str) -> httpx2.Response:
    return httpx2.post(served.url, content=query.encode(), auth=(USER, PASSWORD), timeout=60)


@pytest.mark.slow
def test_no_table_function_opens_a_way_out(served: SqlRail) -> None:
    names = told(served, "SELECT name FROM system.table_functions").text.split()
    assert {"file", "url", "s3", "executable", "remote", "mysql", "sqlite", "input"} < set(names)
    for name in names:
        for call in (f"{name}('a', 'b')", f"{name.upper()}('a', 'b')", f"`{name}`('a', 'b')"):
            answer = told(served, f"SELECT * FROM {call}")
            assert answer.status_code >= 400, call
            if name.lower() not in TABLE_FUNCTIONS:
                # A few take a query: what they were given is then no query at all.
                code = answer.headers["x-clickhouse-exception-code"]
                assert code in (DENIED, "62", "42"), (call, answer.text)


def test_nothing_that_reads_a_table_passes_for_a_function_that_computes(served: SqlRail) -> None:
    query = "SELECT name, is_aggregate, categories, alias_to FROM system.functions"
    rows = httpx2.post(
        served.url, params={"default_format": "JSON"}, content=query.encode(),
        auth=(USER, PASSWORD), timeout=60,
    ).json()["data"]  # fmt: skip
    scalar, aggregates = allowed_functions(rows)
    tables = set(told(served, "SELECT lower(name) FROM system.table_functions").text.split())
    assert not tables & (scalar | aggregates)
    for name in tables - {"numbers"}:
        answer = told(served, f"SELECT 'a' IN {name}('a')")
        assert answer.status_code >= 400, name


OF_ROWS = "FROM (SELECT number AS a, toString(number) AS b, [1, 2] AS c FROM numbers(3)) AS s"
PLACES = (
    "SELECT {}", "SELECT DISTINCT ON ({}) a FROM s", "SELECT a FROM s WHERE {}",
    "SELECT a FROM s PREWHERE {}", "SELECT count() FROM s GROUP BY {}",
    "SELECT count() FROM s GROUP BY ROLLUP({})", "SELECT count() FROM s GROUP BY CUBE(a, {})",
    "SELECT count() FROM s GROUP BY GROUPING SETS ((a), ({}))", "SELECT a FROM s HAVING {}",
    "SELECT a FROM s QUALIFY {}", "SELECT a FROM s ORDER BY {}",
    "SELECT a FROM s ORDER BY a WITH FILL FROM {}", "SELECT a FROM s ORDER BY a WITH FILL TO {}",
    "SELECT a FROM s ORDER BY a WITH FILL STEP {}",
    "SELECT a FROM s ORDER BY a WITH FILL STALENESS {}",
    "SELECT a, b FROM s ORDER BY a WITH FILL INTERPOLATE (b AS {})", "SELECT a FROM s LIMIT {}",
    "SELECT a FROM s LIMIT 1 OFFSET {}", "SELECT a FROM s LIMIT 1 BY {}",
    "SELECT a FROM s LIMIT {} BY a", "SELECT a FROM s ORDER BY a LIMIT {} WITH TIES",
    "SELECT a FROM s ORDER BY a OFFSET {} ROWS FETCH FIRST 1 ROWS ONLY",
    "SELECT a FROM s ORDER BY a OFFSET 1 ROWS FETCH FIRST {} ROWS ONLY",
    "SELECT a FROM s ARRAY JOIN [{}] AS z", "SELECT s.a FROM s JOIN (SELECT 1 AS q) AS r ON a = {}",
    "WITH {} AS x SELECT x", "WITH x AS (SELECT {} AS q) SELECT * FROM x",
    "WITH a -> {} AS f SELECT f(1)", "SELECT sum(a) OVER (PARTITION BY {}) FROM s",
    "SELECT sum(a) OVER (ORDER BY {}) FROM s",
    "SELECT sum(a) OVER (ORDER BY a ROWS BETWEEN {} PRECEDING AND CURRENT ROW) FROM s",
    "SELECT sum(a) OVER w FROM s WINDOW w AS (PARTITION BY {})",
    "SELECT sum(a) FILTER (WHERE {}) FROM s", "SELECT quantile({})(a) FROM s",
    "SELECT * REPLACE ({} AS a) FROM s", "SELECT s.* EXCEPT (b) REPLACE ({} AS a) FROM s",
    "SELECT COLUMNS('a') REPLACE ({} AS a) FROM s", "SELECT * APPLY(x -> {}) FROM s",
    "SELECT CASE WHEN 1 THEN {} END", "SELECT CAST({} AS String)", "SELECT ({})::String",
    "SELECT [{}]", "SELECT [1, 2][{}]", "SELECT (1, {}).2", "SELECT INTERVAL {} DAY",
    "SELECT a IN ({}) FROM s", "SELECT a IN (SELECT {}) FROM s", "SELECT EXISTS(SELECT {})",
    "SELECT arrayMap(x -> {}, [1])", "SELECT 1 UNION ALL SELECT {}", "SELECT 1 EXCEPT SELECT {}",
    "SELECT * FROM numbers({})", "SELECT 1 IN numbers({})", "FROM numbers(1) SELECT {}",
    "SELECT COUNT(DISTINCT {}) FROM s", "SELECT any({}) RESPECT NULLS FROM s",
)  # fmt: skip
"""Wherever an expression may stand."""


@pytest.mark.parametrize("place", PLACES)
def test_a_function_is_seen_wherever_it_stands(served: SqlRail, place: str) -> None:
    answer = told(served, place.replace("FROM s", OF_ROWS).format("sleep(0)"))
    assert answer.headers["x-clickhouse-exception-code"] == DENIED, answer.text


@pytest.mark.parametrize(
    "columns", ["*", "s.*", "COLUMNS('b')", "s.COLUMNS('b')", "* EXCEPT (a)", "COLUMNS(b)"]
)
@pytest.mark.parametrize("applied", ["APPLY(file)", "APPLY file", "APPLY(toString) APPLY(file)"])
def test_no_function_is_applied_to_columns_by_its_name(
    served: SqlRail, columns: str, applied: str
) -> None:
    query = f"SELECT {columns} {applied} FROM (SELECT '/etc/hostname' AS b, b AS a) AS s"
    answer = told(served, query)
    assert answer.headers["x-clickhouse-exception-code"] == DENIED, answer.text


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM {table:Identifier}",
        "SELECT 1 IN {table:Identifier}",
        "SELECT * FROM system.{name:Identifier}",
        "SELECT * FROM {database:Identifier}.{name:Identifier}",
        "WITH x AS (SELECT * FROM {table:Identifier}) SELECT * FROM x",
    ],
)
def test_parameters_name_nothing_that_may_not_be_named(served: SqlRail, query: str) -> None:
    named = {"param_table": "system.parts", "param_name": "parts", "param_database": "system"}
    answer = httpx2.post(
        served.url, params=named, content=query.encode(), auth=(USER, PASSWORD), timeout=60
    )
    assert answer.headers["x-clickhouse-exception-code"] == DENIED, answer.text


def test_long_queries_do_not_hold_up_the_server() -> None:
    """What goes back over what it took would take minutes for each of these, or for ever."""
    allowed = Allowed("neurorail", frozenset(("neurorail", "system")), frozenset(), frozenset())
    many = 80_000
    for query, tree in (
        ("/**/" * 60 + "X", ""),
        ("(" * many + "X", ""),
        ("--\n" * many + "X", ""),
        ("SHOW DATABASES" + " " * many + "x", ""),
        ("DESCRIBE x FORMAT a" + " " * many + "x", ""),
        ("SELECT 1", " Identifier x" + " (alias x" * many),
        ("SELECT 1", " Identifier x" + " (children 1" * many),
        ("SELECT 1", " Function count" + "If" * many),
    ):
        with suppress(QueryError):
            check(query, lambda _, tree=tree: tree, allowed)  # type: ignore[misc]


def test_a_long_format_clause_does_not_hold_up_the_server(served: SqlRail) -> None:
    for end in ("FORMAT a" + " " * 120_000 + "x", "FORMAT " * 30_000, "f(" * 100_000):
        assert told(served, f"SELECT 1 {end}").status_code >= 400


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


@pytest.mark.parametrize("name", ["Native", "JSON", "TabSeparated"])
@pytest.mark.parametrize(
    "query",
    [
        "SELECT number, repeat('x', 1000) FROM numbers(100000000)",
        "SELECT repeat('x', 100) FROM numbers(100000000)",
        "SELECT number FROM numbers(100000000)",
    ],
)
def test_a_result_that_is_too_large_does_not_fill_the_memory(
    served: SqlRail, name: str, query: str
) -> None:
    before = served.rail.metrics()["otelcol_process_memory_rss"]
    answer = told(served, f"{query} FORMAT {name}")
    assert answer.headers["x-clickhouse-exception-code"] in ("241", "396"), answer.text
    # With time as the only limit it grew by gigabytes.
    assert served.rail.metrics()["otelcol_process_memory_rss"] < before + 1.5e9


def test_a_query_that_failed_leaves_nothing_to_the_next(served: SqlRail) -> None:
    for failing in (
        "SELECT 'left', intDiv(1, number - 100000) FROM numbers(200000)",
        "SELECT 'left' FROM numbers(100000000) FORMAT JSON",
    ):
        assert told(served, failing).status_code >= 400
        assert [told(served, "SELECT 1").text for _ in range(4)] == ["1\n"] * 4


def test_after_all_of_this_the_store_is_as_it_was(served: SqlRail) -> None:
    assert told(served, "SELECT count() FROM otel_logs WHERE Body = 'x'").text == "0\n"
    found = told(served, "SELECT count() FROM neurorail_audit").text
    assert int(found) > 10
    assert told(served, "EXISTS TABLE otel_logs").text == "1\n"
