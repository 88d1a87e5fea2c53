"""Health, readiness, metrics, snapshot, missions, pages and errors."""

from __future__ import annotations

import asyncio
import socket
from decimal import Decimal

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.engine import make_view
from tests.support.events import SECOND, START_UNIX_NANO, make_event
from tests.support.rail import Rail, running_rail

from neurorail.api import ApiConfig, ApiServer
from neurorail.api.encoding import iso_time, usd_number
from neurorail.collector.views import Counts, Totals


async def test_health_is_200(rail: Rail) -> None:
    response = await rail.client.get("/health")
    assert response.json() == {"status": "ok", "version": "1.2.3", "node": "n1"}


async def test_ready_names_what_is_not(rail: Rail) -> None:
    assert (await rail.client.get("/ready")).status_code == 200
    rail.down["store"] = "clickhouse does not answer"
    response = await rail.client.get("/ready")
    assert response.status_code == 503
    assert response.json() == {
        "status": "not ready",
        "parts": {"inbox": "up", "store": "down"},
        "reasons": {"store": "clickhouse does not answer"},
    }


async def test_metrics_are_prometheus_text(rail: Rail) -> None:
    rail.engine.answer = Counts({"mission": {"running": 3}, "resource:llm_call": {"failed": 2}})
    rail.health.watch_hub(rail.hub)
    response = await rail.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {f.name: f for f in text_string_to_metric_families(response.text)}
    assert families["neurorail_active_missions"].samples[0].value == 3
    assert "neurorail_stream_subscribers_limit" in families
    assert 'neurorail_resources_by_state{resource_type="llm_call",state="failed"} 2.0' in (
        response.text
    )


async def test_snapshot_counts_what_is_there(rail: Rail) -> None:
    rail.engine.answer = Counts(
        by_state={
            "mission": {"running": 2},
            "job": {"queued": 4, "running": 1},
            "attempt": {"running": 5},
        },
        sums={"missions": 9, "plans": 9, "jobs": 30, "attempts": 40, "cost_usd_pico": 200_000},
        as_of_seq=77,
    )
    ends = {"duration_ms": 5, "outcome": "failed", "error_category": "MECHANICAL"}
    rail.health.observe_events(
        [
            make_event(1, "execution_failure", data=ends),
            *(make_event(seq, "execution_success", data={"duration_ms": 1}) for seq in (2, 3, 4)),
        ]
    )
    rail.health.receiver("grpc").accepted("traces", 5)
    rail.health.receiver("http").accepted("traces", 6)
    rail.health.receiver("http").accepted("logs", 7)
    snapshot = await rail.get("/telemetry/snapshot")
    assert snapshot["received"] == {"spans": 11, "log_records": 7, "metric_points": 0}
    assert snapshot["timestamp"] == iso_time(START_UNIX_NANO)
    assert snapshot["entity_counts"] == {
        "missions": 9, "plans": 9, "jobs": 30, "attempts": 40, "resources": 0,
    }  # fmt: skip
    assert snapshot["active_executions"]["running_attempts"] == 5
    assert snapshot["active_executions"]["queued_jobs"] == 4
    assert snapshot["error_rates"]["mechanical_errors"] == 0.25
    assert snapshot["error_rates"]["ethical_errors"] == 0
    assert snapshot["totals"]["cost_usd"] == 0.0000002
    assert snapshot["prometheus_metrics"]["neurorail_attempts_total"] == 4
    assert snapshot["prometheus_metrics"]["neurorail_active_missions"] == 2
    assert "_77_" in snapshot["snapshot_id"]


async def test_entity_metrics_have_the_contract_s_members(rail: Rail) -> None:
    rail.engine.views = [
        make_view(
            "m_1",
            state="failed",
            ended_unix_nano=START_UNIX_NANO + 3 * SECOND,
            error_code="NR-E002",
            first_signal_ms=12,
            totals=Totals(input_tokens=10, output_tokens=5, cost_usd_pico=25, attempts=2),
        )
    ]
    metrics = await rail.get("/telemetry/metrics/m_1")
    assert metrics["duration_ms"] == 2_000
    assert metrics["success"] is False
    assert metrics["tt_first_signal_ms"] == 12
    assert Decimal(str(metrics["cost_usd"])) == Decimal("2.5E-11")
    contract = (
        "entity_id entity_type started_at completed_at duration_ms input_tokens output_tokens "
        "cost_usd unpriced_calls tool_calls attempt_count retry_count tt_first_signal_ms success "
        "error_code"
    )
    assert set(contract.split()) <= set(metrics)


async def test_entity_metrics_unknown_is_404_and_malformed_422(rail: Rail) -> None:
    await rail.get("/telemetry/metrics/m_none", 404)
    problem = await rail.get("/telemetry/metrics/none", 422)
    assert problem["details"]["field"] == "entity_id"


async def test_missions_newest_first(rail: Rail) -> None:
    rail.engine.views = [make_view("m_1"), make_view("m_1", "p_1"), make_view("m_2")]
    page = await rail.get("/missions", limit=1)
    assert [m["mission_id"] for m in page["missions"]] == ["m_2"]
    assert len((await rail.get("/missions"))["missions"]) == 2
    assert (await rail.get("/missions", 422, limit=10_001))["details"]["field"] == "limit"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/api/nothing", 404), ("DELETE", "/health", 405)]
)
async def test_errors_of_the_framework_are_problems_too(
    rail: Rail, method: str, path: str, status: int
) -> None:
    response = await rail.client.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert {"type", "title", "detail", "code", "category", "retriable", "details"} <= set(problem)


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [(b"\xff\xfe", 422, "bad-field"), (b" " * (2 << 20), 413, "content-too-large")],
)
async def test_a_body_that_cannot_be_read_is_a_problem(
    rail: Rail, body: bytes, status: int, slug: str
) -> None:
    headers = {"content-type": "application/json"}
    answer = await rail.client.post(
        "/api/neurorail/v1/identity/mission", content=body, headers=headers
    )
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:neurorail:problem:{slug}"


async def test_bug_is_500_without_its_text(
    rail: Rail, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_: str) -> Counts:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(type(rail.engine), "counts", lambda _, tenant: broken(tenant))
    problem = await rail.get("/telemetry/snapshot", 500)
    assert "secret" not in str(problem)
    assert "secret" in caplog.text


async def test_docs_describe_every_path(rail: Rail) -> None:
    moved = await rail.client.get("/docs")
    assert (moved.status_code, moved.headers["location"]) == (307, "/neurorail/docs")
    assert (await rail.client.get("/neurorail/docs")).status_code == 200
    paths = (await rail.client.get("/openapi.json")).json()["paths"]
    assert "/api/neurorail/v1/identity/trace/{entity_type}/{entity_id}" in paths
    assert "/api/neurorail/v1/stream/events" in paths


async def test_pages_come_with_strict_content_rules(rail: Rail) -> None:
    response = await rail.client.get("/neurorail/")
    assert response.status_code == 200
    assert "text/html" in response.headers["content-type"]
    assert "script-src 'self'" in response.headers["content-security-policy"]
    assert "unsafe" not in response.headers["content-security-policy"]
    start = await rail.client.get("/")
    assert (start.status_code, start.headers["location"]) == (307, "/neurorail/")


async def test_pages_stay_inside_their_directory(rail: Rail) -> None:
    response = await rail.client.get("/neurorail/..%2f..%2fapp.py")
    assert response.status_code == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("LOCALHOST", 200),
        ("[::1]:8000", 200),
        ("rail.example", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:8000", 421),
    ],
)
async def test_server_on_loopback_answers_to_its_own_names(host: str, status: int) -> None:
    config = ApiConfig(port=0, allowed_hosts=("rail.example",))
    async with running_rail(config) as rail:
        response = await rail.client.get("/health", headers={"Host": host})
        assert response.status_code == status


async def test_server_elsewhere_answers_to_any_name() -> None:
    async with running_rail(ApiConfig(host="0.0.0.0", port=0)) as rail:
        response = await rail.client.get("/health", headers={"Host": "rail.example"})
        assert response.status_code == 200


async def test_cors_is_closed_unless_configured(rail: Rail) -> None:
    headers = {"Origin": "https://elsewhere.example"}
    response = await rail.client.get("/health", headers=headers)
    assert "access-control-allow-origin" not in response.headers
    config = ApiConfig(port=0, cors_origins=("https://elsewhere.example",))
    async with running_rail(config) as open_rail:
        response = await open_rail.client.get("/health", headers=headers)
        allowed = response.headers["access-control-allow-origin"]
        assert allowed == "https://elsewhere.example"


async def test_server_address_taken_fails_at_start(rail: Rail) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = ApiConfig(port=taken.getsockname()[1])
        server = ApiServer(rail.client, rail.hub, config)  # type: ignore[arg-type]
        with pytest.raises(OSError, match="in use"):
            await server.start()


async def test_server_stops_twice_and_without_start_and_leaves_no_task(rail: Rail) -> None:
    await ApiServer(rail.client, rail.hub, ApiConfig(port=0)).stop()  # type: ignore[arg-type]
    await rail.client.aclose()
    await rail.server.stop()
    await rail.server.stop()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert others == set()


@pytest.mark.parametrize(
    ("pico", "text"),
    [
        (0, b"0"),
        (1, b"0.000000000001"),
        (200_000, b"0.0000002"),
        (-1_500_000_000_000, b"-1.5"),
        (10**30, b"1000000000000000000"),
        (10**12 - 1, b"0.999999999999"),
    ],
)
def test_money_is_written_exactly(pico: int, text: bytes) -> None:
    assert bytes(usd_number(pico)) == text
    assert Decimal(text.decode()) * 10**12 == pico


def test_time_is_iso_8601_with_nanoseconds() -> None:
    assert iso_time(1) == "1970-01-01T00:00:00.000000001Z"
    assert iso_time(0) is None
    assert iso_time(2**64 - 1) == "2554-07-21T23:34:33.709551615Z"
