"""The ControlDeck on the whole server: what telemetry reports is on the page at once."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Complaints
from tests.support.process import ServerProcess, running_server

pytestmark = pytest.mark.browser


CHAIN = {"mission": "m_whole", "plan": "p_whole", "job": "j_whole"}


def report(server: ServerProcess, entity: str, *transitions: str) -> None:
    """Sends one log event that reports transitions of an entity, now."""
    now = time.time_ns()
    levels = list(CHAIN)[: list(CHAIN).index(entity) + 1]
    attributes: dict[str, dict[str, Any]] = {
        f"neurorail.{level}.id": {"stringValue": CHAIN[level]} for level in levels
    }
    attributes["neurorail.entity.type"] = {"stringValue": entity}
    attributes["neurorail.transitions"] = {
        "arrayValue": {"values": [{"stringValue": name} for name in transitions]}
    }
    attributes["neurorail.transition.times_unix_nano"] = {
        "arrayValue": {"values": [{"intValue": str(now)} for _ in transitions]}
    }
    if entity == "job":
        attributes["neurorail.job.type"] = {"stringValue": "llm_call"}
    event = {
        "eventName": "neurorail.lifecycle.transition",
        "timeUnixNano": str(now),
        "attributes": [{"key": key, "value": value} for key, value in attributes.items()],
    }
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [event]}]}]}
    request = urllib.request.Request(
        f"{server.otlp_http}/v1/logs",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer) == {}


@pytest.mark.slow
def test_a_reported_chain_is_shown_and_the_page_outlives_a_restart(
    page: Page, tmp_path: Path, free_port: Callable[[], int], complaints: Complaints
) -> None:
    complaints.network_expected = True
    options = ("--api", f"127.0.0.1:{free_port()}")
    with running_server(tmp_path / "data", *options) as server:
        page.goto(f"{server.api}/neurorail")
        expect(page.locator(".connection")).to_have_text("Live")
        for entity in CHAIN:
            report(server, entity, "create", "enqueue", "start")
        expect(page.locator('[data-tile="jobs"] .tile-value')).to_have_text("1")
        shown = page.locator('.event[data-type="state_changed"]')
        expect(shown).to_have_count(9)
        page.locator('[data-mission="m_whole"]').click()
        expect(page.locator("[data-entity]")).to_have_count(3)
        expect(page.locator('[data-entity="j_whole"]')).to_contain_text("llm_call")
    expect(page.locator(".connection")).to_have_text("Reconnecting")
    with running_server(tmp_path / "data", *options) as server:
        expect(page.locator(".connection")).to_have_text("Live")
        report(server, "job", "fail")
        expect(page.locator('[data-entity="j_whole"] .state')).to_have_text("failed")
        page.get_by_role("link", name="Overview").click()
        expect(page.locator('[data-tile="jobs"] .tile-value')).to_have_text("0")
        expect(shown).to_have_count(10)
