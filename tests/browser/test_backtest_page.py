"""Backtests on the governor's page of a whole server: launched, followed, cancelled, read."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect
from tests.browser.looking import in_address
from tests.browser.test_govern_pages import opened, post
from tests.end_to_end.rail import Chain, Rail, until
from tests.support.process import child_of, running_server

pytestmark = pytest.mark.browser

STRICT = """neurorail_manifest: 1
name: strict
version: 'strict-1'
default_mode: rail
mode_rules: [{id: no_small_models, when: {model: gpt-4o-mini}, effect: refuse}]
"""


@pytest.fixture(scope="module")
def rail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rail]:
    """A server with three missions of one call each."""
    with running_server(tmp_path_factory.mktemp("backtests") / "data") as server:
        found = Rail(server)
        for _ in range(3):
            called(found)
        found.all_is_stored()
        yield found


def called(rail: Rail) -> str:
    chain, now = Chain(), time.time_ns()
    call = chain.span(
        5, 5, times=(now - 10**9, now),
        gen_ai__operation__name="chat", gen_ai__provider__name="openai",
        gen_ai__request__model="gpt-4o-mini", gen_ai__usage__input_tokens=90_000,
    )  # fmt: skip
    rail.send_spans(call, chain.entity("mission", 1, times=(now - 2 * 10**9, now)))
    rail.ended(chain)
    return chain.mission


def test_backtest_is_launched_followed_and_read(rail: Rail, deck: Page, tmp_path: Path) -> None:
    opened(deck, rail, "governor")
    deck.get_by_role("tab", name="Backtests").click()
    expect(deck.get_by_text("No backtest yet.")).to_be_visible()
    deck.get_by_role("button", name="New backtest").click()
    sheet = deck.get_by_role("dialog")
    sheet.get_by_label("or as text").fill(STRICT)
    sheet.get_by_label("Against").select_option("active")
    sheet.get_by_label("History").select_option("-1d")
    sheet.get_by_role("button", name="Run it").click()
    row = deck.locator("[data-backtest]")
    expect(row).to_contain_text("strict-1")
    expect(row).to_have_attribute("data-backtest-state", "succeeded")
    row.locator("b").click()
    expect(sheet.locator('[data-report="there"]')).to_be_visible()
    name = str(row.get_attribute("data-backtest"))
    in_address(deck, f"backtest={name}")

    found = rail.client.get_json(f"/api/governor/v1/backtests/{name}")["report"]
    assert found["calls"]["newly_refused"] == 3
    numbers = sheet.locator('[data-number="calls_refused"] td')
    expect(numbers).to_have_text(["3", "0"])
    avoided = found["new"]["spend_avoided_usd"]
    assert avoided > 0
    expect(sheet.locator('[data-number="spend_avoided_usd"] td').first).to_have_text(
        f"${avoided:.4f}"
    )
    expect(sheet.locator('[data-rule="no_small_models"] td').first).to_have_text("3")
    expect(sheet.locator(".plot canvas")).to_have_count(3)
    example = sheet.locator("[data-example]")
    expect(example).to_have_count(3)
    expect(example.first).to_contain_text("false positive?")
    with deck.expect_download() as saved:
        sheet.get_by_role("link", name="HTML").click()
    saved.value.save_as(tmp_path / "page.html")
    assert "Backtest of manifest strict-1" in (tmp_path / "page.html").read_text()
    with deck.expect_download() as saved:
        sheet.get_by_role("button", name="JSON").click()
    saved.value.save_as(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["calls"] == found["calls"]
    example.first.get_by_role("link").click()
    expect(deck).to_have_url(re.compile(r"/trace\?mission=m_"))

    deck.goto(f"{rail.server.api}/neurorail/governor?backtest={name}")
    expect(sheet.locator('[data-report="there"]')).to_be_visible()
    deck.goto(f"{rail.server.api}/api/governor/v1/backtests/{name}/report.html")
    expect(deck.get_by_role("heading", name="Backtest of manifest strict-1")).to_be_visible()


def test_backtest_that_waits_is_cancelled(rail: Rail, deck: Page) -> None:
    first = post(rail, "governor/v1/replays")
    replay = until("the replay began", lambda: rerun_of(rail.server.process.pid))
    replay.suspend()  # So that what is asked for next has to wait.
    try:
        second = post(rail, "governor/v1/backtests", version="active")
        opened(deck, rail, "governor")
        deck.get_by_role("tab", name="Backtests").click()
        row = deck.locator(f'[data-backtest="{second["id"]}"]')
        expect(row).to_have_attribute("data-backtest-state", "queued")
        row.get_by_role("button", name="Cancel").click()
        expect(row).to_have_attribute("data-backtest-state", "cancelled")
    finally:
        replay.resume()
    path = f"/api/governor/v1/replays/{first['id']}"
    until("the replay ended", lambda: rail.client.get_json(path)["ended_at"])
    assert rail.client.get_json(path)["report"]["equal"]


def rerun_of(server: int) -> psutil.Process | None:
    """The process that does a backtest or a replay for a server; None before it began."""
    with suppress(ValueError):
        return child_of(server, "neurorail.collector.rerun_jobs.child")
    return None
