"""History and audit: the archive and what is not archived yet, as one."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.engine import make_view
from tests.support.events import make_line
from tests.support.rail import Rail

STEPS = ("create", "enqueue", "start", "succeed")
STATES = ("pending", "queued", "running", "succeeded")


def step(seq: int, at: int) -> Any:
    data = {
        "transition_id": f"j_1.{at}",
        "from_state": STATES[at - 1] if at else None,
        "to_state": STATES[at],
        "transition": STEPS[at],
        "inferred": at == 1,
    }
    return make_line(seq, data=data)


async def test_history_unites_archive_and_outbox_oldest_first(rail: Rail) -> None:
    rail.archive.lines = [step(1, 0), step(2, 1)]
    rail.outbox.add(step(3, 2), make_line(3, "cost_tracked", index=1))
    rail.outbox.add(step(4, 3))
    history = await rail.get("/lifecycle/history/job/j_1")
    assert [t["transition"] for t in history["transitions"]] == list(STEPS)
    assert history["total_transitions"] == 4
    assert history["next_cursor"] is None
    assert history["transitions"][1] == {
        "transition_id": "j_1.1",
        "entity_type": "job",
        "entity_id": "j_1",
        "from_state": "pending",
        "to_state": "queued",
        "transition": "enqueue",
        "timestamp": "2025-11-24T16:00:01.999999995Z",
        "received_at": "2025-11-24T16:00:02.000000000Z",
        "inferred": True,
        "gap": False,
        "reason": None,
        "error_code": None,
        "principal": "anonymous",
        "event_id": "n1.1.2.0",
        "metadata": {},
    }
    assert history["transitions"][0]["from_state"] is None


async def test_history_archived_but_not_pruned_yet_counts_once(rail: Rail) -> None:
    rail.archive.lines = [step(seq + 1, seq) for seq in range(4)]
    rail.outbox.add(step(3, 2), step(4, 3))
    history = await rail.get("/lifecycle/history/job/j_1")
    assert [t["transition"] for t in history["transitions"]] == list(STEPS)


async def test_history_of_a_known_entity_without_transitions_is_empty(rail: Rail) -> None:
    rail.engine.views = [make_view("m_1")]
    assert (await rail.get("/lifecycle/history/mission/m_1"))["transitions"] == []


async def test_state_names_what_the_table_allows(rail: Rail) -> None:
    rail.engine.views = [make_view("m_1", flags=("orphan",))]
    assert await rail.get("/lifecycle/state/mission/m_1") == {
        "entity_type": "mission",
        "entity_id": "m_1",
        "state": "running",
        "current_state": "running",
        "last_transition_at": "2025-11-24T16:00:01.000000000Z",
        "allowed_transitions": ["succeed", "fail", "timeout", "cancel"],
        "flags": ["orphan"],
        "error_code": None,
    }


async def follow(rail: Rail, path: str, items: str, **query: Any) -> list[Any]:
    found: list[Any] = []
    cursor: dict[str, Any] = {}
    for _ in range(50):
        page = await rail.get(path, **query, **cursor)
        found.extend(page[items])
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}
    raise AssertionError("the pages never end")


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 20, 21])
async def test_pages_hold_each_event_once_however_cut(rail: Rail, limit: int) -> None:
    lines = [make_line(seq, index=index) for seq in range(1, 6) for index in range(4)]
    rail.archive.lines = lines[:13]
    rail.outbox.add(*lines[10:12])
    rail.outbox.add(*lines[12:])
    audit = await follow(rail, "/audit/events", "events", limit=limit)
    assert [e["audit_id"] for e in audit] == [line.event_id for line in reversed(lines)]
    rail.archive.lines = [step(seq + 1, seq) for seq in range(3)]
    rail.outbox.batches.clear()
    rail.outbox.add(step(3, 2), step(4, 3))
    history = await follow(rail, "/lifecycle/history/job/j_1", "transitions", limit=limit)
    assert [t["transition"] for t in history] == list(STEPS)


async def test_audit_events_have_every_member(rail: Rail) -> None:
    rail.outbox.add(make_line(1, "budget_violation", severity="error", data={"limit": 10**20}))
    page = await rail.get("/audit/events")
    assert (page["total"], page["limit"], page["next_cursor"]) == (1, 100, None)
    event = page["events"][0]
    assert event["details"]["limit"] == 10**20
    expected = {
        "audit_id": "n1.1.1.0",
        "timestamp": "2025-11-24T16:00:01.000000000Z",
        "mission_id": "m_1",
        "plan_id": "p_1",
        "job_id": "j_1",
        "attempt_id": None,
        "resource_id": None,
        "event_type": "budget_violation",
        "event_category": "safety",
        "severity": "error",
        "message": "event 1",
        "channel": "enforcement",
    }
    assert {key: event[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("query", "seqs"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"mission_id": "m_2"}, [4, 3]),
        ({"attempt_id": "a_2"}, [4]),
        ({"entity_id": "p_2"}, [3]),
        ({"event_type": "cost_tracked"}, [4, 2]),
        ({"event_category": "execution"}, [3, 1]),
        ({"severity": "warning"}, [5]),
        ({"channel": "enforcement"}, [5, 4, 2]),
        ({"channel": "all"}, [5, 4, 3, 2, 1]),
        ({"start_time": "2025-11-24T16:00:02Z", "end_time": "2025-11-24T16:00:04"}, [3, 2]),
        ({"start_time": "2025-11-24T17:00:05+01:00"}, [5]),
        ({"mission_id": "m_2", "event_type": "budget_warning"}, []),
    ],
)
@pytest.mark.parametrize("archived", [0, 3, 5])
async def test_audit_filters(
    rail: Rail, query: dict[str, Any], seqs: list[int], archived: int
) -> None:
    lines = [
        make_line(1),
        make_line(2, "cost_tracked"),
        make_line(3, ids=("m_2", "p_2")),
        make_line(4, "cost_tracked", ids=("m_2", "p_2", "j_2", "a_2")),
        make_line(5, "budget_warning", severity="warning"),
    ]
    rail.archive.lines = [*lines[:archived], make_line(9, tenant="other")]
    if lines[archived:]:
        rail.outbox.add(*lines[archived:], make_line(8, tenant="other"))
    page = await rail.get("/audit/events", **query)
    assert [e["audit_id"] for e in page["events"]] == [f"n1.1.{seq}.0" for seq in seqs]
    assert page["total"] == len(seqs)


async def test_audit_stats_count_both_sides_and_show_errors(rail: Rail) -> None:
    rail.archive.lines = [make_line(1), make_line(2, "budget_violation", severity="error")]
    rail.outbox.add(make_line(3), make_line(4, "record_failed", severity="critical"))
    stats = await rail.get("/audit/stats")
    errors = stats.pop("recent_errors")
    assert [e["audit_id"] for e in errors] == ["n1.1.4.0", "n1.1.2.0"]
    assert stats == {
        "total_events": 4,
        "events_by_type": {"state_changed": 2, "budget_violation": 1, "record_failed": 1},
        "events_by_severity": {"info": 2, "error": 1, "critical": 1},
        "events_by_category": {"execution": 2, "safety": 2},
    }
    quiet = await rail.get("/audit/stats", severity="info")
    assert (quiet["total_events"], quiet["recent_errors"]) == (2, [])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"mission_id": "p_1"}, "mission_id"),
        ({"entity_id": "nothing"}, "entity_id"),
        ({"severity": "debug"}, "severity"),
        ({"event_type": "nope"}, "event_type"),
        ({"event_category": "nope"}, "event_category"),
        ({"channel": "nope"}, "channel"),
        ({"limit": "0"}, "limit"),
        ({"limit": "10001"}, "limit"),
        ({"cursor": "%%%"}, "cursor"),
        ({"cursor": "WzFd"}, "cursor"),
        ({"cursor": "WzEsIm4iLC0xLDEsMV0"}, "cursor"),
        ({"cursor": "WzEsIm4iLDEsOTIyMzM3MjAzNjg1NDc3NTgwOCwxXQ"}, "cursor"),
        ({"cursor": "ä"}, "cursor"),
        ({"start_time": "yesterday"}, "start_time"),
        ({"start_time": "1969-01-01T00:00:00Z"}, "start_time"),
        ({"end_time": "2300-01-01T00:00:00Z"}, "end_time"),
    ],
)
async def test_audit_bad_parameter_is_422_and_named(
    rail: Rail, query: dict[str, Any], field: str
) -> None:
    problem = await rail.get("/audit/events", 422, **query)
    assert problem["details"]["field"] == field


@pytest.mark.parametrize("path", ["/audit/events", "/audit/stats", "/lifecycle/history/job/j_1"])
async def test_archive_away_is_503_and_retriable(rail: Rail, path: str) -> None:
    rail.archive.down = True
    problem = await rail.get(path, 503)
    assert problem["retriable"] is True
    assert "connection refused" in problem["detail"]


async def test_audit_page_from_the_outbox_needs_no_archive_for_its_events(rail: Rail) -> None:
    rail.outbox.add(*(make_line(seq) for seq in range(1, 1_501)))
    page = await rail.get("/audit/events", limit=1_000)
    assert page["events"][0]["audit_id"] == "n1.1.1500.0"
    assert len(page["events"]) == 1_000
    assert page["total"] == 1_500


async def test_events_are_walked_both_ways_and_jumped_into(rail: Rail) -> None:
    rail.archive.lines = [make_line(seq) for seq in range(1, 8)]
    rail.outbox.add(*(make_line(seq) for seq in range(8, 12)))
    newest_first = [f"n1.1.{seq}.0" for seq in range(11, 0, -1)]

    def ids(page: Any) -> list[str]:
        return [event["audit_id"] for event in page["events"]]

    page = await rail.get("/audit/events", limit=3, skip=6, counted=False)
    assert (ids(page), page["total"]) == (newest_first[6:9], None)
    above = await rail.get(
        "/audit/events", limit=3, order="oldest", cursor=page["first_cursor"], counted=False
    )
    assert ids(above)[::-1] == newest_first[3:6]
    below = await rail.get("/audit/events", limit=3, cursor=page["next_cursor"])
    assert (ids(below), below["total"]) == (newest_first[9:], 11)
    assert ids(await rail.get("/audit/events", skip=11)) == []
    await rail.get("/audit/events", 422, skip=1, order="oldest")
