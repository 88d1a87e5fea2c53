"""Backtests and replays over HTTP; what they find is tested where they run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.collector.rerun_jobs.support import Held, Notes, running_jobs
from tests.support.events import START_UNIX_NANO
from tests.support.live_engine import LiveEngine
from tests.support.rail import AnsweringInbox, Rail, open_access, running_rail

from neurorail.api import reruns
from neurorail.collector.access import NewKey
from neurorail.collector.rerun_jobs.job import Job
from neurorail.collector.rerun_jobs.jobs import RerunJobs

PREFIX = "/api/governor/v1"
YAML = "neurorail_manifest: 1\nname: test\nversion: '2.0'\ndefault_mode: rail\n"


@pytest.fixture
def held() -> Held:
    """A store that answers when the test lets it."""
    return Held()


@pytest.fixture
async def jobs(tmp_path: Path, held: Held) -> AsyncIterator[RerunJobs]:
    """Jobs on that store; one may wait."""
    now = START_UNIX_NANO
    async with running_jobs(tmp_path, "node", held, Notes(), now, waiting=1) as running:
        yield running
        held.free.set()


@pytest.fixture
async def rail(jobs: RerunJobs) -> AsyncIterator[Rail]:
    async with running_rail(live=LiveEngine()) as running:
        add(running, jobs)
        yield running


def add(rail: Rail, jobs: RerunJobs) -> None:
    for router in reruns.create_routers(jobs):
        rail.app.include_router(router, prefix=PREFIX)


async def ask(
    rail: Rail, path: str, status: int, body: dict[str, Any] | None = None, **headers: str
) -> Any:
    response = await rail.client.post(PREFIX + path, json=body or {}, headers=headers)
    assert response.status_code == status, response.text
    return response.json()


async def look(rail: Rail, path: str, status: int = 200) -> Any:
    response = await rail.client.get(PREFIX + path)
    assert response.status_code == status, response.text
    return response.json()


async def test_backtest_is_asked_for_followed_and_cancelled(rail: Rail) -> None:
    made = await ask(
        rail, "/backtests", 201,
        {"source": YAML, "against": {"version": "active"}, "since": "-7d", "until": "-1d"},
    )  # fmt: skip
    assert made["id"].startswith("backtest_")
    assert (made["manifest"]["version"], made["against"]["name"]) == ("2.0", "default")
    assert made["since"] < made["until"] < made["created_at"]
    assert made["principal"] == "anonymous"
    one = await look(rail, f"/backtests/{made['id']}")
    assert one["state"] in ("queued", "running")
    assert (one["report"], one["progress"]) == (None, {"done": 0, "total": 0})
    assert (await look(rail, "/backtests"))["backtests"][0]["id"] == made["id"]
    await look(rail, f"/backtests/{made['id']}/report.html", 404)
    await look(rail, f"/replays/{made['id']}", 404)
    ended = await ask(rail, f"/backtests/{made['id']}/cancel", 200)
    assert (ended["state"], ended["error"]) == ("cancelled", "cancelled by anonymous")
    over = await ask(rail, f"/backtests/{made['id']}/cancel", 409)
    assert over["details"] == {"state": "cancelled"}


async def test_more_than_may_wait_are_refused(rail: Rail, held: Held) -> None:
    first = await ask(rail, "/backtests", 201, {"version": "active"})
    second = await ask(rail, "/replays", 201, {"after_seq": 0, "through_seq": 9})
    assert (second["after_seq"], second["through_seq"]) == (0, 9)
    full = await rail.client.post(f"{PREFIX}/backtests", json={"version": "active"})
    assert (full.status_code, full.headers["Retry-After"]) == (503, "30")
    assert (await look(rail, "/replays"))["total"] == 1
    assert (await ask(rail, f"/replays/{second['id']}/cancel", 200))["state"] == "cancelled"
    assert await asyncio.to_thread(held.asked.wait, 60)
    assert (await ask(rail, f"/backtests/{first['id']}/cancel", 200))["state"] == "cancelled"


async def test_what_cannot_be_meant_is_refused(rail: Rail) -> None:
    await ask(rail, "/backtests", 422, {})
    await ask(rail, "/backtests", 422, {"source": YAML, "version": "active"})
    await ask(rail, "/backtests", 404, {"version": "7"})
    await ask(rail, "/backtests", 404, {"version": "active", "against": {"version": "7"}})
    wrong = await ask(rail, "/backtests", 422, {"source": YAML + "polls: []"})
    assert wrong["code"] == "NR-E110"
    times = {"version": "active", "since": "-1d", "until": "-2d"}
    assert (await ask(rail, "/backtests", 422, times))["details"]["field"] == "until"
    await ask(rail, "/backtests", 422, {"version": "active", "since": "yesterday"})
    await ask(rail, "/backtests", 422, {"version": "active", "days": 7})
    await ask(rail, "/backtests/x/cancel", 404)


async def test_only_who_manages_the_governor_launches(jobs: RerunJobs, tmp_path: Path) -> None:
    access = open_access(AnsweringInbox(), tmp_path / "keys.json")
    _, viewer = access.gate.keys.create(NewKey(name="v", role="viewer"), "test")
    _, operator = access.gate.keys.create(NewKey(name="o", role="operator"), "test")
    async with running_rail(live=LiveEngine(), access=access) as rail:
        add(rail, jobs)
        body, key = {"version": "active"}, f"Bearer {viewer}"
        denied = await ask(rail, "/backtests", 403, body, Authorization=key)
        assert denied["details"]["permission"] == "manage:governor"
        made = await ask(rail, "/backtests", 201, body, Authorization=f"Bearer {operator}")
        read = await rail.client.get(f"{PREFIX}/backtests", headers={"Authorization": key})
        assert read.json()["backtests"][0]["principal"].startswith("key:")
        path = f"/backtests/{made['id']}/cancel"
        await ask(rail, path, 403, Authorization=key)
        await ask(rail, path, 200, Authorization=f"Bearer {operator}")


def report() -> bytes:
    """The least that a page is made of."""
    side = {
        "name": "<n>", "version": "2", "sha256": "ab", "rules": {},
        "examples": [{"at": "t", "mission_id": "m_1", "call": "m", "cost_usd": 1, "code": "c",
                      "succeeded": True, "rules": ["r"], "reason": "x",
                      "link": "/neurorail/trace?mission=m_1"}],
    }  # fmt: skip
    names = ("calls_refused", "false_positive_candidates", "spend_usd", "spend_avoided_usd",
             "decisions", "decisions_refused", "warnings", "violations", "triggers",
             "cancellations", "confirmations", "circuits_opened")  # fmt: skip
    numbers = {"refused": 0, "spend_usd": 0, "avoided_usd": 0}
    whole = {
        "new": side | dict.fromkeys(names, 0), "against": side | dict.fromkeys(names, 0),
        "since": "a", "until": "b", "records": 1, "node": "n", "approximate": [],
        "calls": {"all": 1, "newly_refused": 0, "newly_allowed": 0},
        "timeline": [{"at": "a", "new": numbers, "against": numbers}] * 2,
    }  # fmt: skip
    return json.dumps(whole).encode()


async def test_page_of_a_report_keeps_to_strict_rules(rail: Rail, jobs: RerunJobs) -> None:
    done = Job("backtest_9", "backtest", "default", "ada", START_UNIX_NANO, state="succeeded")
    jobs._jobs[done.id] = done
    jobs._shelf.keep_report(done, report())
    page = await rail.client.get(f"{PREFIX}/backtests/{done.id}/report.html")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "<script" not in page.text
    assert " style=" not in page.text
    assert f'href="{rail.client.base_url}/neurorail/trace?mission=m_1"' in page.text
