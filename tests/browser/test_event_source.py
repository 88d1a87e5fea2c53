"""A browser's own `EventSource` on a real server that is stopped and started again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from tests.end_to_end.rail import API, MS, Chain, Rail, config_file, until
from tests.support.process import running_server

LISTEN = """(path) => {
  window.got = [];
  window.opened = 0;
  window.source = new EventSource(path);
  window.source.onopen = () => { window.opened += 1; };
  window.source.onmessage = (message) => {
    const { event_type, data } = JSON.parse(message.data);
    window.got.push([message.lastEventId, event_type, data.entity_id]);
  };
}"""
"""Nothing but what the standard gives: no code that reconnects, no listener of named events."""
CHANGES = 4
"""Of the state of a mission that has ended."""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a browser that knows nothing yet."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@contextmanager
def serving(folder: Path, port: int) -> Iterator[Rail]:
    """A server on the same port and the same data directory each time."""
    config = config_file(folder, archive={"linger_ms": 20})
    options = ("--config", str(config), "--api", f"127.0.0.1:{port}")
    with running_server(folder / "data", *options) as server:
        yield Rail(server)


def send_missions(rail: Rail, count: int) -> list[str]:
    """Telemetry of missions that have ended; their ids."""
    chains = [Chain() for _ in range(count)]
    now = time.time_ns()
    for chain in chains:
        rail.send_spans(chain.entity("mission", 1, times=(now - MS, now)))
    return [chain.mission for chain in chains]


@pytest.mark.slow
def test_all_events_come_once_and_in_order_across_a_restart(
    page: Page, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()

    def has_all(missions: list[str]) -> Any:
        got = page.evaluate("window.got")
        changes = Counter(entity for _, kind, entity in got if kind == "state_changed")
        return got if all(changes[mission] >= CHANGES for mission in missions) else None

    with serving(tmp_path, port) as rail:
        page.goto(f"{rail.server.api}/health")
        page.evaluate(LISTEN, f"{API}/stream/events?channels=lifecycle")
        before = send_missions(rail, 5)
        until("the events before", lambda: has_all(before))
    until("the end of the connection", lambda: page.evaluate("source.readyState") == 0)
    with serving(tmp_path, port) as rail:
        # Sent at once, whether the browser is back or not.
        after = send_missions(rail, 5)
        got = until("the events after", lambda: has_all(before + after))
        assert page.evaluate("window.opened") == 2
        stored = [
            event
            for mission in before + after
            for event in rail.events(mission, "state_changed", count=CHANGES)
        ]
    ids = [event_id for event_id, _, _ in got]
    assert len(ids) == len(set(ids)), "an event came twice"
    changes = [one[0] for one in got if one[1] == "state_changed"]
    assert changes == [event["audit_id"] for event in stored]
