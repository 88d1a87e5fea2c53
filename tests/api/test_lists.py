"""Lists, usage and violations over what is open, in the outbox, and archived."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.live_engine import LiveEngine
from tests.support.rail import Rail, running_rail
from tests.support.stores import started_store

from neurorail.collector.decode.budgets import BudgetInput
from neurorail.collector.decode.commands import (
    Command,
    CreateCommand,
    TransitionCommand,
    UsageCommand,
    encode_command,
)
from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.store.store import Store
from neurorail.rules.observations import Ids

DIFFERENT = [
    {"tags": {"team": "a"}, "agent": "writer", "model": "m-1", "cost": "0.5", "end": "succeed"},
    {"tags": {"team": "b"}, "agent": "critic", "model": "m-2", "cost": "0.1", "end": "fail"},
    {"tags": {"team": "a"}, "agent": "critic", "model": "m-1", "cost": "0.9", "end": None},
]


class Past:
    """A history that reaches from the archive into the present."""

    def __init__(self, rail: Rail, live: LiveEngine, store: Store, tenant: str) -> None:
        self.rail = rail
        self.live = live
        self.store = store
        self.tenant = tenant

    def write(self, command: Command) -> None:
        body = encode_command(command)
        self.live.apply(
            Submission(Kind.COMMAND, Signal.NONE, body, self.tenant, "test", encoding="json")
        )

    def move(self, ids: Ids, level: int, *steps: str, code: str | None = None) -> None:
        for step in steps:
            self.write(TransitionCommand(level, ids, step, error_code=code))

    def mission(
        self,
        name: str,
        *,
        tags: dict[str, str] | None = None,
        agent: str = "",
        model: str = "m",
        cost: str = "0",
        end: str | None = "succeed",
    ) -> None:
        """A mission with one job and one attempt that made one call."""
        mission: Ids = (f"m_{name}", None, None, None, None)
        job: Ids = (f"m_{name}", f"p_{name}", f"j_{name}", None, None)
        attempt: Ids = (*job[:3], f"a_{name}", None)
        self.write(CreateCommand(0, mission, tags=tags or {}, budget=BudgetInput(max_tokens=1_000)))
        self.move(mission, 0, "enqueue", "start")
        self.write(CreateCommand(1, (*job[:2], None, None, None)))
        self.write(CreateCommand(2, job, job_type="research"))
        self.move(job, 2, "enqueue", "start")
        self.write(CreateCommand(3, attempt, agent=agent or None, attempt_number=1))
        self.move(attempt, 3, "enqueue", "start")
        self.write(
            UsageCommand(3, attempt, input_tokens=10, output_tokens=5, cost_usd=cost, model=model)  # type: ignore[arg-type]
        )
        if end is not None:
            code = "NR-E004" if end == "fail" else None
            self.move(attempt, 3, end, code=code)
            self.move(job, 2, end, code=code)
            self.move(mission, 0, end, code=code)

    async def ids(self, path: str, **query: Any) -> list[str]:
        body = await self.rail.get(path, tenant=self.tenant, **query)
        (name,) = set(body) - {"limit", "first_cursor", "next_cursor"}
        return [entity["entity_id"] for entity in body[name]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder: Path = tmp_path_factory.mktemp("lists")
    with started_store(f"chdb://{folder}/clickhouse") as found:
        yield found


@pytest.fixture
async def past(store: Store, request: pytest.FixtureRequest) -> AsyncIterator[Past]:
    live = LiveEngine()
    async with running_rail(live=live, store=store) as rail:
        tenant = re.sub(r"[^A-Za-z0-9._-]+", "-", request.node.name)[-60:]
        yield Past(rail, live, store, tenant)


@pytest.fixture
async def varied(past: Past) -> Past:
    """One mission archived, one in the outbox, one open."""
    past.mission("1", **DIFFERENT[0])  # type: ignore[arg-type]
    past.live.archive(past.store)
    past.mission("2", **DIFFERENT[1])  # type: ignore[arg-type]
    past.mission("3", **DIFFERENT[2])  # type: ignore[arg-type]
    return past


async def test_all_three_places_are_one_list(varied: Past) -> None:
    assert await varied.ids("/missions", paged=True) == ["m_3", "m_2", "m_1"]
    assert await varied.ids("/jobs") == ["j_3", "j_2", "j_1"]
    assert await varied.ids("/attempts") == ["a_3", "a_2", "a_1"]
    varied.live.archive(varied.store)
    assert await varied.ids("/missions", paged=True) == ["m_3", "m_2", "m_1"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"state": "running"}, ["m_3"]),
        ({"state": ["FAILED", "succeeded"]}, ["m_2", "m_1"]),
        ({"tag": "team=a"}, ["m_3", "m_1"]),
        ({"tag": ["team=a", "team2=x"]}, []),
        ({"cost_above": "0.1"}, ["m_3", "m_1"]),
        ({"cost_above": "0.09"}, ["m_3", "m_2", "m_1"]),
        ({"error_code": "NR-E004"}, ["m_2"]),
        ({"duration_above_ms": 1}, ["m_2", "m_1"]),
        ({"duration_above_ms": 10_000_000}, []),
        ({"since": "2000-01-01"}, ["m_3", "m_2", "m_1"]),
        ({"until": "-7d"}, []),
        ({"model": "m-1"}, ["m_3", "m_1"]),
        ({"model": "m-2", "state": "running"}, []),
    ],
)
async def test_filters(varied: Past, query: dict[str, Any], found: list[str]) -> None:
    varied.live.archive(varied.store)
    assert await varied.ids("/missions", **query) == found


async def test_jobs_and_attempts_have_filters_of_their_own(varied: Past) -> None:
    assert await varied.ids("/jobs", job_type="research") == ["j_3", "j_2", "j_1"]
    assert await varied.ids("/jobs", job_type="other") == []
    assert await varied.ids("/jobs", mission_id="m_2") == ["j_2"]
    assert await varied.ids("/attempts", job_id="j_1") == ["a_1"]
    assert await varied.ids("/attempts", agent="critic") == ["a_3", "a_2"]


async def test_a_row_shows_what_an_entity_is(varied: Past) -> None:
    row = (await varied.rail.get("/missions", tenant=varied.tenant, state="succeeded"))["missions"]
    assert row[0]["totals"]["cost_usd"] == 0.5
    assert row[0]["totals"]["total_tokens"] == 15
    assert row[0]["tags"] == {"team": "a"}
    assert row[0]["duration_ms"] > 0


async def test_without_a_filter_the_newest_are_shown_at_once(varied: Past) -> None:
    body = await varied.rail.get("/missions", tenant=varied.tenant, limit=2)
    assert [mission["entity_id"] for mission in body["missions"]] == ["m_3", "m_2"]
    assert body["next_cursor"] is None


async def test_more_are_open_than_a_page_shows(past: Past) -> None:
    for number in range(5):
        past.mission(str(number), end=None if number else "succeed", tags={"odd": str(number % 2)})
    past.live.archive(past.store)
    first = await past.rail.get("/missions", tenant=past.tenant, state="running", limit=2)
    assert [one["entity_id"] for one in first["missions"]] == ["m_4", "m_3"]
    # Meanwhile all that the engine would have shown has ended: the rest is still found.
    for name in ("m_2", "m_1"):
        past.move((name, None, None, None, None), 0, "cancel")
    query = {"tenant": past.tenant, "limit": 1, "cursor": first["next_cursor"]}
    rest = await past.rail.get("/missions", **query)
    assert [one["entity_id"] for one in rest["missions"]] == ["m_2"]
    assert await past.ids("/missions", tag="odd=1", limit=1) == ["m_3"]
    assert await past.ids("/missions", state=["succeeded", "cancelled"]) == ["m_2", "m_1", "m_0"]


@pytest.mark.parametrize("seed", range(3))
async def test_any_place_of_a_list_is_led_to(past: Past, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(14):
        past.mission(f"{seed}x{number}", end=chance.choice(["succeed", "fail", None]))
        if chance.random() < 0.4:
            past.live.archive(past.store)
    expected = [f"m_{seed}x{number}" for number in reversed(range(14))]
    for skip in range(1, 16):
        found = await past.ids("/missions", skip=skip, limit=3)
        assert found == expected[skip : skip + 3], skip
    body = await past.rail.get("/missions", tenant=past.tenant, paged=True, limit=4)
    first = body["first_cursor"]
    for skip in range(1, 15):
        found = await past.ids("/missions", cursor=first, skip=skip, limit=2)
        assert found == expected[skip + 1 : skip + 3], skip
    failed = await past.ids("/missions", state="failed", limit=50)
    for skip in range(1, len(failed) + 1):
        assert await past.ids("/missions", state="failed", skip=skip, limit=50) == failed[skip:]


@pytest.mark.parametrize("seed", range(3))
async def test_pages_lose_and_double_nothing_while_work_goes_on(past: Past, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(12):
        past.mission(f"{seed}x{number}", end=chance.choice(["succeed", "fail", None]))
        if chance.random() < 0.4:
            past.live.archive(past.store)
    expected = [f"m_{seed}x{number}" for number in reversed(range(12))]
    seen: list[str] = []
    cursor = None
    later = 100
    while True:
        query: dict[str, Any] = {"limit": chance.randint(1, 4), "paged": True}
        if cursor is not None:
            query["cursor"] = cursor
        body = await past.rail.get("/missions", tenant=past.tenant, **query)
        seen += [mission["entity_id"] for mission in body["missions"]]
        cursor = body["next_cursor"]
        if cursor is None:
            break
        # Meanwhile new ones begin, open ones end, and what ended is archived.
        past.mission(f"{seed}x{later}", end=None)
        later += 1
        running = await past.ids("/missions", state="running")
        if running and chance.random() < 0.7:
            past.move((chance.choice(running), None, None, None, None), 0, "cancel")
        if chance.random() < 0.5:
            past.live.archive(past.store)
    assert seen == expected


async def write_events(past: Past, mission: str) -> None:
    """One event more for each list of events."""
    asked = {"tenant": past.tenant}
    neurorail, governor = "/api/neurorail/v1", "/api/governor/v1"
    entry = {"event_type": "n", "event_category": "safety", "severity": "info", "message": "n"}
    wrong = {"entity_id": mission, "transition": "succeed"}
    for path, body in (
        (f"{neurorail}/audit/log", entry),
        (f"{neurorail}/lifecycle/transition/mission", wrong),
        (f"{neurorail}/reflex/suspend", {"entity_id": mission, "ttl_ms": 1_000}),
        (f"{governor}/decide", {"job_type": "llm_call"}),
    ):
        answer = await past.rail.client.post(path, json=body, params=asked)
        assert answer.status_code in (200, 201, 409), answer.text


@pytest.mark.parametrize(
    ("path", "query", "name", "key"),
    [
        ("/audit/events", {"event_type": "audit_logged"}, "events", "audit_id"),
        ("/violations", {}, "violations", "audit_id"),
        ("/reflex/actions", {}, "actions", "event_id"),
        ("/../../governor/v1/decisions", {}, "decisions", "decision_id"),
    ],
)
async def test_pages_of_events_lose_and_double_nothing_while_more_come(
    past: Past, path: str, query: dict[str, Any], name: str, key: str
) -> None:
    chance = random.Random(path)
    past.mission("0", end="succeed")
    for _ in range(9):
        await write_events(past, "m_0")
        if chance.random() < 0.4:
            past.live.archive(past.store)

    async def page(**more: Any) -> Any:
        return await past.rail.get(path, tenant=past.tenant, **query, **more)

    expected = [one[key] for one in (await page(limit=1_000))[name]]
    assert len(expected) >= 9
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        body = await page(limit=chance.randint(1, 4), **cursor)
        seen += [one[key] for one in body[name]]
        if body["next_cursor"] is None:
            break
        cursor = {"cursor": body["next_cursor"]}
        await write_events(past, "m_0")
        if chance.random() < 0.5:
            past.live.archive(past.store)
    assert seen == expected


@pytest.mark.parametrize("seed", range(4))
async def test_pages_of_a_history_lose_and_double_nothing_while_it_goes_on(
    past: Past, seed: int
) -> None:
    chance = random.Random(seed)
    name, end = f"h{seed}", chance.choice(["succeed", "fail", "timeout", "cancel"])
    level, of = chance.choice([(0, "mission"), (1, "plan"), (2, "job"), (3, "attempt")])
    ids = [f"{letter}_{name}" for letter in "mpja"]
    for above in range(level + 1):
        chain = [*ids[: above + 1], *[None] * (4 - above)]
        past.write(CreateCommand(above, (chain[0], chain[1], chain[2], chain[3], chain[4])))
        if above < level:
            past.move((chain[0], chain[1], chain[2], chain[3], chain[4]), above, "enqueue", "start")
    own: Ids = (chain[0], chain[1], chain[2], chain[3], chain[4])
    path = f"/lifecycle/history/{of}/{ids[level]}"
    past.move(own, level, "enqueue")
    left = ["start", end]
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        if chance.random() < 0.5:
            past.live.archive(past.store)
        body = await past.rail.get(
            path, tenant=past.tenant, limit=chance.choice([1, 1, 2]), **cursor
        )
        seen += [one["transition"] for one in body["transitions"]]
        if body["next_cursor"] is None:
            break
        cursor = {"cursor": body["next_cursor"]}
        # Meanwhile it goes on, others begin, and what happened is archived.
        if left and chance.random() < 0.8:
            past.move(own, level, left.pop(0))
        past.mission(f"{name}x{len(seen)}")
        if chance.random() < 0.5:
            past.live.archive(past.store)
    whole = await past.rail.get(path, tenant=past.tenant)
    assert seen == [one["transition"] for one in whole["transitions"]]
    assert seen == ["create", "enqueue", "start", end][: len(seen)]


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("/missions", {"state": "asleep"}, "state"),
        ("/missions", {"tag": "team"}, "tag"),
        ("/missions", {"tag": [f"t{n}=x" for n in range(11)]}, "tag"),
        ("/missions", {"cost_above": "much"}, "cost_above"),
        ("/missions", {"cost_above": "NaN"}, "cost_above"),
        ("/missions", {"since": "yesterday"}, "since"),
        ("/missions", {"cursor": "x"}, "cursor"),
        ("/missions", {"cursor": "WzEsMl0"}, "cursor"),
        ("/missions", {"limit": 10_001}, "limit"),
        ("/jobs", {"mission_id": "j_1"}, "mission_id"),
        ("/attempts", {"job_id": "m_1"}, "job_id"),
        ("/usage", {"group_by": "colour"}, "group_by"),
        ("/usage", {"group_by": "tag"}, "tag"),
        ("/usage", {"tag": "team"}, "tag"),
        ("/violations", {"event_type": "state_changed"}, "event_type"),
        ("/audit/events", {"start_time": "soon"}, "start_time"),
    ],
)
async def test_a_wrong_parameter_is_named(
    past: Past, path: str, query: dict[str, Any], field: str
) -> None:
    problem = await past.rail.get(path, 422, **query)
    assert problem["details"]["field"] == field


# ── usage ────────────────────────────────────────────────────────────────────────────────────


async def groups(past: Past, **query: Any) -> list[tuple[Any, ...]]:
    body = await past.rail.get(
        "/usage", tenant=past.tenant, since="2000-01-01", until="2100-01-01", **query
    )
    by = body["group_by"]
    return [(*(one[name] for name in by), one["calls"], one["cost_usd"]) for one in body["groups"]]


async def test_usage_is_added_up_by_group(varied: Past) -> None:
    varied.live.archive(varied.store)
    assert await groups(varied) == [(3, 1.5)]
    assert await groups(varied, group_by="model") == [("m-1", 2, 1.4), ("m-2", 1, 0.1)]
    assert await groups(varied, group_by="tag", tag="team") == [
        (None, 1, 0.9),  # The mission is still open: its tags are archived when it ends.
        ("a", 1, 0.5),
        ("b", 1, 0.1),
    ]
    assert await groups(varied, group_by=["job_type", "model"]) == [
        (None, "m-1", 1, 0.9),
        ("research", "m-1", 1, 0.5),
        ("research", "m-2", 1, 0.1),
    ]
    assert await groups(varied, group_by="mission", model="m-2") == [("m_2", 1, 0.1)]
    hours = await groups(varied, group_by="hour")
    assert hours == [("2025-11-24T16:00:00Z", 3, 1.5)]
    assert [day for day, *_ in await groups(varied, group_by="day")] == ["2025-11-24T00:00:00Z"]
    assert await groups(varied, mission_id="m_1") == [(1, 0.5)]


async def test_usage_outside_the_time_is_left_out(varied: Past) -> None:
    varied.live.archive(varied.store)
    body = await varied.rail.get("/usage", tenant=varied.tenant, until="2000-01-01")
    assert body["groups"][0]["calls"] == 0


# ── violations and comparison ────────────────────────────────────────────────────────────────


async def test_violations_are_listed_newest_first(varied: Past) -> None:
    varied.move(("m_1", None, None, None, None), 0, "start")
    ids: Ids = ("m_3", "p_3", "j_3", "a_3", None)
    varied.write(UsageCommand(3, ids, input_tokens=2_000))
    found = await varied.rail.get("/violations", tenant=varied.tenant)
    types = [event["event_type"] for event in found["violations"]]
    assert types == ["budget_violation", "transition_rejected"]
    one = await varied.rail.get("/violations", tenant=varied.tenant, mission_id="m_1")
    assert [event["mission_id"] for event in one["violations"]] == ["m_1"]
    of_type = await varied.rail.get(
        "/violations", tenant=varied.tenant, event_type="budget_violation"
    )
    assert [event["mission_id"] for event in of_type["violations"]] == ["m_3"]


async def test_two_missions_side_by_side(varied: Past) -> None:
    body = await varied.rail.get("/missions/m_1/compare/m_2", tenant=varied.tenant)
    assert body["mission"]["below"] == {
        "plans": {"running": 1},
        "jobs": {"succeeded": 1},
        "attempts": {"succeeded": 1},
    }
    assert body["other"]["below"]["attempts"] == {"failed": 1}
    assert body["difference"]["cost_usd"] == -0.4
    assert body["difference"]["total_tokens"] == 0
    assert body["truncated"] is False
    await varied.rail.get("/missions/m_1/compare/m_9", 404, tenant=varied.tenant)
