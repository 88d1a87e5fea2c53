"""Every number on every page is what the API says, and goes on when the server was away."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.announcing import announcing
from tests.browser.conftest import Complaints, watched
from tests.end_to_end.rail import Chain, Rail, lifecycle_log
from tests.support.process import running_server
from tests.support.scene import overspent

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def rail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rail]:
    """A server on which something of each kind happened."""
    with running_server(tmp_path_factory.mktemp("widgets") / "data") as server:
        rail = Rail(server)
        overspent(rail)
        overspent(rail)
        runs(rail)
        for action, agent in (("kill", "runaway"), ("suspend", "sleepy")):
            post(rail, f"neurorail/v1/reflex/{action}", scope={"agent": agent}, reason="a test")
        post(rail, "neurorail/v1/reflex/open", scope={"model": "m-1"}, reason="a test")
        post(rail, "governor/v1/decide", job_type="llm_call")
        post(rail, "governor/v1/decide", job_type="llm_call", context={"agent": "runaway"})
        rail.all_is_stored()
        yield rail


def post(rail: Rail, path: str, **body: Any) -> Any:
    answer = httpx2.post(f"{rail.server.api}/api/{path}", json=body, timeout=60)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def runs(rail: Rail) -> Chain:
    """A mission with a job that waits and an attempt that runs."""
    chain, now = Chain(), time.time_ns()
    for depth, level in enumerate(("mission", "plan", "job", "attempt"), start=1):
        names = ["create", "enqueue"] if level == "job" else ["create", "enqueue", "start"]
        told = {
            "neurorail.entity.type": level,
            "neurorail.transitions": names,
            "neurorail.transition.times_unix_nano": [now] * len(names),
        }
        rail.send("logs", lifecycle_log(chain.attributes(depth, **told), now))
    rail.in_state(chain.attempt, "running")
    return chain


def shown(deck: Page, rail: Rail, path: str, tiles: Mapping[str, tuple[str, str | None]]) -> None:
    """The page has these tiles: their numbers and, where it matters, their notes."""
    deck.goto(f"{rail.server.api}/neurorail/{path}")
    expect(deck.locator(".connection")).to_have_text("Live")
    for name, (value, note) in tiles.items():
        tile = deck.locator(f'[data-tile="{name}"]')
        expect(tile.locator(".tile-value")).to_have_text(value)
        if note is not None:
            expect(tile.locator(".tile-note")).to_have_text(note)


def test_each_tile_of_the_overview(rail: Rail, deck: Page) -> None:
    said, decided = rail.get("/telemetry/snapshot"), rail.client.get_json("/api/governor/v1/stats")
    counts, active, totals = said["entity_counts"], said["active_executions"], said["totals"]
    day = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    groups = rail.get("/usage", since=day.isoformat(), limit=1)["groups"]
    spent = groups[0]["cost_usd"] if groups else 0
    breakers = rail.get("/reflex/breakers")["breakers"]
    not_closed = sum(each["state"] != "closed" for each in breakers)
    attempts = said["by_state"]["attempt"]
    ended = sum(attempts.get(state, 0) for state in ("succeeded", "failed", "timeout", "cancelled"))
    failing = sum(said["error_rates"].values())
    assert 0 not in (active["running_missions"], decided["refused_count"])
    tiles = {
        "missions": (f"{active['running_missions']}", f"{counts['missions']} in all"),
        "jobs": (
            f"{active['running_jobs']}",
            f"{counts['jobs']} in all · {active['queued_jobs']} queued",
        ),
        "attempts": (
            f"{active['running_attempts']}",
            f"{counts['attempts']} in all · {failing:.0%} fail",
        ),
        "tokens": (
            f"{totals['input_tokens'] + totals['output_tokens']}",
            f"{totals['input_tokens']} in · {totals['output_tokens']} out",
        ),
        "cost": (f"${totals['cost_usd']:.6f}", "every call priced"),
        "violations": (f"{totals['violations']}", None),
        "spend": (f"${spent:.6f}" if spent else "$0.00", "no pool has a limit"),
        "refusals": (
            f"{decided['refused_count']}",
            f"of {decided['total_decisions']} decisions",
        ),
        "circuits": (f"{not_closed}", f"of {len(breakers)} that ever opened"),
        "states": (f"{attempts['succeeded'] / ended:.0%}", None),
    }
    shown(deck, rail, "", tiles)
    ingest = deck.locator('[data-tile="ingest"]')
    expect(ingest.locator(".tile-value")).to_have_text("0/s")
    taken = sum(said["received"].values())
    expect(ingest.locator(".tile-value")).to_have_attribute(
        "title", f"{taken} spans, log records and metric points since this server began"
    )
    now = time.time_ns()
    for _ in range(20):
        rail.send_spans(*(Chain().entity("mission", 1, times=(now, now)) for _ in range(50)))
    expect(ingest.locator(".tile-value")).not_to_have_text("0/s")
    expect(deck.locator('[data-tile="missions"] .tile-note')).to_have_text(
        f"{counts['missions'] + 1000:,} in all"
    )


def test_each_tile_of_the_reflex_monitor(rail: Rail, deck: Page) -> None:
    crew = {"instance_id": "crew-1", "agent": "crew", "gate": {"mode": "rail"}}
    with announcing(rail.server.api, **crew):
        reflex_monitor(rail, deck)


def reflex_monitor(rail: Rail, deck: Page) -> None:
    happened = rail.get("/audit/stats")["events_by_type"]
    breakers = rail.get("/reflex/breakers")["breakers"]
    tiles = {
        "circuits": (
            f"{sum(each['state'] != 'closed' for each in breakers)}",
            f"of {len(breakers)} that ever opened",
        ),
        "directives": (f"{rail.get('/reflex/directives')['total']}", None),
        "triggers": (f"{happened.get('trigger_activated', 0)}", None),
        "actions": (f"{happened['reflex_action_executed']}", None),
        "agents": ("0", f"{len(rail.get('/agents')['agents'])} announced lately"),
    }
    shown(deck, rail, "reflex", tiles)
    expect(deck.locator("[data-directive]")).to_have_count(rail.get("/reflex/directives")["total"])
    deck.locator("[data-tab=lifecycle]").click()
    expect(deck.locator('.moves .list-row[data-type="state_changed"]').first).to_be_visible()


def test_each_tile_of_the_governor(rail: Rail, deck: Page) -> None:
    said = rail.client.get_json("/api/governor/v1/stats")
    manifests = rail.client.get_json("/api/governor/v1/manifests")
    codes = ", ".join(f"{number} {code}" for code, number in said["refused_by_code"].items())
    share = said["refused_count"] / said["total_decisions"]
    rail_mode, direct = said["rail_mode_count"], said["direct_mode_count"]
    tiles = {
        "active": (manifests["active"]["version"], manifests["active"]["sha256"][:16]),
        "decisions": (f"{said['total_decisions']}", f"{rail_mode} rail · {direct} direct"),
        "refused": (f"{said['refused_count']}", f"{share:.0%} · {codes}"),
        "questions": ("0", None),
        "diverged": ("0", None),
    }
    shown(deck, rail, "governor", tiles)
    expect(deck.locator('.list-row[data-type="mode_decided"]')).to_have_count(
        said["total_decisions"]
    )


def test_who_one_is_and_what_was_done(rail: Rail, deck: Page) -> None:
    me = rail.get("/rbac/whoami")
    tiles = {
        "principal": (me["principal"], f"tenant {me['tenant']}"),
        "role": (me["role"], "does not expire"),
        "permissions": (f"{len(me['permissions'])}", ", ".join(me["permissions"])),
    }
    shown(deck, rail, "access", tiles)
    acts = deck.locator('[data-panel="acts"] .list-row')
    expect(acts).to_have_count(3)
    expect(acts.first).to_contain_text("a test")


def test_a_missions_head_says_what_the_api_says(rail: Rail, deck: Page) -> None:
    chain = overspent(rail)
    mission = rail.ended(chain)["mission"]
    totals = mission["totals"]
    tiles = {
        "agent": ("browser-test", None),
        "duration": ("2.00 s", None),
        "tokens": ("400", "300 in · 100 out"),
        "cost": (f"${totals['cost_usd']:.6f}", "1 model call · 0 tools"),
        "retries": (f"{totals['retry_count']}", f"{totals['attempt_count']} attempts"),
    }
    shown(deck, rail, f"trace?mission={chain.mission}", tiles)
    assert mission["duration_ms"] == 2_000


ROWS = {
    "": ".event",
    "trace": "[data-mission]",
    "lifecycle": ".moves .list-row[data-type]",
    "reflex": '.moves .list-row[data-type="reflex_action_executed"]',
    "budget": "[data-violation]",
    "governor": '.moves .list-row[data-type="mode_decided"]',
    "audit": "[data-panel=audit] .list-row[data-type]",
    "access": "[data-panel=acts] .list-row",
}
"""Rows of each page that more come to when something happens."""


@pytest.mark.slow
def test_each_page_goes_on_after_a_restart_of_the_server(
    browser: Browser, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    options = ("--api", f"127.0.0.1:{free_port()}")
    with watched(browser, Complaints(network_expected=True)) as first:
        pages = {path: first.context.new_page() for path in ROWS}
        with running_server(tmp_path / "data", *options) as server:
            happen(Rail(server))
            for path, page in pages.items():
                page.goto(f"{server.api}/neurorail/{path}")
                expect(page.locator(ROWS[path]).first).to_be_visible()
            newest = {
                path: page.locator(ROWS[path]).first.text_content() for path, page in pages.items()
            }
        for page in pages.values():
            expect(page.locator(".connection")).to_have_text("Reconnecting")
            expect(page.locator("[data-notice=away]")).to_be_visible()
        with running_server(tmp_path / "data", *options) as server:
            for page in pages.values():
                expect(page.locator(".connection")).to_have_text("Live")
            happen(Rail(server))
            for path, page in pages.items():
                expect(page.locator("[data-notice=away]")).to_have_count(0)
                expect(page.locator(ROWS[path]).first).not_to_have_text(newest[path] or "")


def happen(rail: Rail) -> None:
    """Something that each page shows."""
    overspent(rail)
    post(rail, "neurorail/v1/reflex/kill", scope={"agent": f"a-{time.time_ns()}"}, reason="a test")
    post(rail, "governor/v1/decide", job_type="llm_call")


def test_the_waterfall_is_on_one_axis(rail: Rail, deck: Page) -> None:
    """Bars lie where their entities' times are, as shares of the mission's."""
    chain = overspent(rail)
    rail.ended(chain)
    deck.goto(f"{rail.server.api}/neurorail/trace?mission={chain.mission}")
    # Three seconds before now to one before: two attempts of a second each, a call of half a one.
    for entity, x, width in (
        (chain.mission, 0, 100),
        (chain.attempt, 0, 50),
        (chain.attempt + "2", 50, 50),
        (chain.resource, 50, 25),
    ):
        bar = deck.locator(f'[data-entity="{entity}"] .bar-run')
        expect(bar).to_have_attribute("x", about(x))
        expect(bar).to_have_attribute("width", about(width))


def about(number: int) -> re.Pattern[str]:
    """A number that is rounded to this one."""
    if number == 0:
        return re.compile(r"^-?(0(\.[0-4]\d*)?|\d(\.\d+)?e-\d+)$")
    return re.compile(rf"^({number}(\.[0-4]\d*)?|{number - 1}\.[5-9]\d*)$")
