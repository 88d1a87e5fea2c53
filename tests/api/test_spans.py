"""The spans of a mission over HTTP, on a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from tests.support.rail import Rail, running_rail

from neurorail.api import spans
from neurorail.collector.store.errors import StoreUnavailable

ROW = {
    "TraceId": "0" * 31 + "1", "SpanId": "0" * 15 + "2", "ParentSpanId": "", "SpanName": "chat",
    "SpanKind": "Client", "ServiceName": "desk", "ScopeName": "scope",
    "start_unix_nano": 1_780_000_000_000_000_123, "Duration": 5, "StatusCode": "Error",
    "StatusMessage": "no", "SpanAttributes": {"a": "1"}, "ResourceAttributes": {"b": "2"},
    "Events.Name": ["sent"], "Events.Timestamp": ["2026-05-28 20:26:40.000000001"],
    "Events.Attributes": [{"c": "3"}],
}  # fmt: skip
MISSION = "m_0123"


class Rows:
    """Rows of a tenant's missions; `down` makes reading fail as a store that is away."""

    def __init__(self) -> None:
        self.down = False
        self.asked: list[tuple[str, str, int]] = []

    async def read(self, tenant: str, mission_id: str, limit: int) -> list[dict[str, object]]:
        if self.down:
            raise StoreUnavailable("connection refused")
        self.asked.append((tenant, mission_id, limit))
        return [ROW, ROW][:limit] if mission_id == MISSION else []


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
async def rail(rows: Rows) -> AsyncIterator[Rail]:
    async with running_rail() as running:
        running.app.include_router(spans.create_router(rows.read), prefix="/api/neurorail/v1")
        yield running


async def test_spans_are_answered_whole_and_say_when_there_are_more(rail: Rail, rows: Rows) -> None:
    answer = await rail.get(f"/missions/{MISSION}/spans")
    assert (len(answer["spans"]), answer["truncated"]) == (2, False)
    assert answer["spans"][0] == {
        "trace_id": ROW["TraceId"], "span_id": ROW["SpanId"], "parent_span_id": None,
        "name": "chat", "kind": "Client", "service": "desk", "scope": "scope",
        "start_time": "2026-05-28T20:26:40.000000123Z", "duration_ns": 5, "status": "Error",
        "status_message": "no", "attributes": {"a": "1"}, "resource_attributes": {"b": "2"},
        "events": [{"name": "sent", "timestamp": "2026-05-28 20:26:40.000000001",
                    "attributes": {"c": "3"}}],
    }  # fmt: skip
    assert (await rail.get(f"/missions/{MISSION}/spans", limit=1))["truncated"] is True
    assert rows.asked == [("default", MISSION, 1001), ("default", MISSION, 2)]
    assert (await rail.get("/missions/m_other/spans"))["spans"] == []


@pytest.mark.parametrize(("path", "query"), [
    ("/missions/j_1/spans", {}), ("/missions/m_1/spans", {"limit": 0}),
    ("/missions/m_1/spans", {"limit": 10_001}),
])  # fmt: skip
async def test_bad_questions_are_422(rail: Rail, path: str, query: dict[str, int]) -> None:
    await rail.get(path, status=422, **query)


async def test_a_store_that_is_away_is_503_with_a_time_to_come_back(rail: Rail, rows: Rows) -> None:
    rows.down = True
    response: httpx2.Response = await rail.client.get(f"/api/neurorail/v1/missions/{MISSION}/spans")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert "connection refused" in response.json()["detail"]
