"""The Native format as clients of later protocol revisions read it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import httpx2
import pytest
from tests.sql.conftest import PASSWORD, USER, SqlRail

from neurorail.collector.sql.native import BLOCK_INFO, with_revision

GO = Path(__file__).parent / "go"
TYPES = (
    "1", "-1", "true", "'text'", "toFixedString('ab', 2)", "now()", "now64(9, 'UTC')", "today()",
    "toDecimal32(1, 2)", "toDecimal64(1, 2)", "toDecimal128(1, 2)", "toDecimal256(1, 2)", "NULL",
    "toNullable('a')", "['a', 'b']", "[[1], [2, 3]]", "[]", "map('a', 1)", "map()", "tuple(1, 'a')",
    "CAST((1, 'a'), 'Tuple(first UInt8, second String)')", "generateUUIDv4()", "toIPv4('1.2.3.4')",
    "toLowCardinality('a')", "[toLowCardinality('a')]", "toLowCardinality(toNullable('a'))",
    "CAST('a', 'Enum8(\\'a\\' = 1, \\'b,)\\' = 2)')", "toIntervalDay(1)", "1.5", "toInt256(1)",
    "CAST(map('a', 'b'), 'Map(LowCardinality(String), String)')", "toDate32('2020-01-01')",
    "tuple()", "[(1, 'a')]", "[toNullable(1)]",
)  # fmt: skip


def asked(served: SqlRail, query: str, revision: int = 0) -> bytes:
    """A query's answer in Native."""
    values = {"default_format": "Native", "client_protocol_version": str(revision)}
    answer = httpx2.post(
        served.url, params=values, content=query.encode(), auth=(USER, PASSWORD), timeout=60
    )
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_every_type_is_walked_over_to_its_end(served: SqlRail, rows: int) -> None:
    for expression in TYPES:
        query = f"SELECT {expression} AS a, 'end' AS z FROM numbers({rows})"
        plain = asked(served, query)
        # A walk that ends elsewhere than where the next column begins cannot give this.
        blocks = plain.count(b"\x01z\x06String")
        whole = asked(served, query, 54454)
        assert len(whole) == len(plain) + blocks * (len(BLOCK_INFO) + 2), expression
        assert whole.count(b"\x01z\x06String\x00") == blocks, expression
        if plain:
            assert asked(served, query, 54453)[: len(BLOCK_INFO)] == BLOCK_INFO


def test_revision_0_is_left_as_it_is() -> None:
    assert with_revision(b"anything", 0) == b"anything"


def test_a_type_that_is_not_known_is_said(served: SqlRail) -> None:
    values = {"default_format": "Native", "client_protocol_version": "54460"}
    query = b"SELECT sumState(number) FROM numbers(1)"
    answer = httpx2.post(
        served.url, params=values, content=query, auth=(USER, PASSWORD), timeout=60
    )
    assert answer.headers["x-clickhouse-exception-code"] == "48"
    assert "cast them to String" in answer.text


@pytest.mark.slow
@pytest.mark.toolchain
def test_clickhouse_go_reads_over_http_as_grafana_does(served: SqlRail, tmp_path: Path) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go on the path")
    program = tmp_path / "read"
    built = subprocess.run(
        [go, "build", "-o", program, "."], cwd=GO, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    address = served.url.removeprefix("http://")
    done = subprocess.run([program, address, PASSWORD], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["counts"]["budget_violation"] == 1
    assert said["spans"] == 3
    assert "code: 497" in said["refused"]
