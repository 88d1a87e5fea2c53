"""A page that is not whole, because it fell behind or its session is over: both provoked."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.conftest import PATIENCE_MS, Complaints, watched
from tests.end_to_end.rail import MS, Chain, Rail, until
from tests.support.process import running_server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FEW_EVENTS = "stream: {buffer_events: 10}\nmetrics: {snapshot_interval_s: 0}\n"


def test_a_page_that_fell_behind_says_what_it_misses(
    deck: Page, tmp_path: Path, free_port: Callable[[], int], complaints: Complaints
) -> None:
    """The server holds ten events for those that are behind, and far more happens at once."""
    complaints.network_expected = True
    config = tmp_path / "few.yaml"
    config.write_text(FEW_EVENTS, encoding="utf-8")
    known = ("--config", str(config), "--api", f"127.0.0.1:{free_port()}")
    with running_server(tmp_path / "data", *known) as server:
        rail, now = Rail(server), time.time_ns()
        deck.goto(f"{server.api}/neurorail")
        expect(deck.locator(".connection")).to_have_text("Live")
        rail.send_spans(*(Chain().entity("mission", 1, times=(now - MS, now)) for _ in range(400)))
        expect(deck.locator(".connection")).to_have_text("Live, with gaps")
        expect(deck.locator('[data-tile="missions"] .tile-note')).to_have_text("400 in all")
        notice = deck.locator("[data-notice=lagged]")

        def all_missed_is_told() -> bool:
            missed = rail.get("/stream/stats")["events_missed"]
            assert missed > 0
            return f"{missed:,} events are missing from its lists" in notice.inner_text()

        until("the page tells how many it misses", all_missed_is_told)
        # What does not come as events was read.
        expect(deck.locator(".missions .panel-note")).to_have_text("200 newest")
        rail.all_is_stored()
        until("what was missed to the end is told", all_missed_is_told)
        notice.get_by_role("link", name="Open the audit trail").click()
        total = rail.get("/audit/events", limit=1)["total"]
        expect(deck.locator("[data-panel=audit] .panel-note")).to_have_attribute(
            "data-count", str(total)
        )
        notice.get_by_role("button", name="Dismiss").click()
        expect(notice).to_have_count(0)
        expect(deck.locator(".connection")).to_have_text("Live")
    # Another server in its place does not know what this page saw last.
    with running_server(tmp_path / "other", *known):
        expect(notice).to_contain_text("Events are missing from its lists")


def test_a_session_that_ends_says_so_and_leads_back(browser: Browser, tmp_path: Path) -> None:
    with running_server(tmp_path / "data") as server:
        keys = f"{server.api}/api/neurorail/v1/rbac/keys"
        owner = httpx2.post(keys, json={"name": "owner", "role": "admin"}, timeout=60).json()["key"]
        with watched(browser, Complaints(network_expected=True)) as page:
            page.goto(f"{server.api}/neurorail/lifecycle?type=job")
            expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
            expect(page.locator("[data-session=over]")).to_have_count(0)
            # Its time begins when the page is there: signing in must not take all of it.
            soon = datetime.now(UTC) + timedelta(seconds=30)
            short = httpx2.post(
                keys,
                json={"name": "short", "role": "viewer", "expires_at": soon.isoformat()},
                headers={"X-API-Key": owner},
                timeout=60,
            ).json()["key"]
            page.get_by_label("Key").fill(short)
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("button", name="jobs")).to_have_attribute(
                "aria-pressed", "true"
            )
            over = page.locator("[data-session=over]")
            expect(over).to_contain_text("Your session is over.", timeout=2 * PATIENCE_MS)
            expect(over).to_contain_text("comes back as it was")
            expect(page.get_by_role("heading", name="Sign in again")).to_be_visible()
            # Nothing of what was read is left behind it.
            expect(page.locator(".tile")).to_have_count(0)
            page.get_by_label("Key").fill(owner)
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("button", name="jobs")).to_have_attribute(
                "aria-pressed", "true"
            )
            expect(page.locator(".connection")).to_have_text("Live")
