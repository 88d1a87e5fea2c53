"""Alerts to a real web server: signed, repeated until taken, and on record."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.support.events import NODE, START_UNIX_NANO, ListReplay, make_event

from neurorail.collector.alerts import Alerter, Webhook, alerter, queue
from neurorail.collector.alerts.alerter import backoff_s
from neurorail.collector.alerts.post import Answer, post
from neurorail.collector.envelope import Submission
from neurorail.collector.inbox.errors import InboxError
from neurorail.collector.stream import StreamConfig, StreamEvent, StreamHub

SECRET = b"shared secret"


class Receiver:
    """A web server that answers as it is told, and keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                status, headers = receiver.answers.pop(0) if receiver.answers else (200, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"because")

            def log_message(self, format: str, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.stop()


class Bench:
    """An alerter between a hub and a list of records."""

    def __init__(self, path: Path, *webhooks: Webhook) -> None:
        self.replay = ListReplay()
        self.path = path
        self.webhooks = webhooks
        self.records: list[Submission] = []
        self.refuse = False
        self.seq = 0
        self.begin()

    def begin(self) -> None:
        """A hub and an alerter as a start of the server makes them."""
        self.hub = StreamHub(
            StreamConfig(), node=NODE, clock=lambda: START_UNIX_NANO, replay=self.replay
        )
        self.hub.start()
        self.alerter = Alerter(self.path / "alerts.db", self.webhooks, self.hub, self._append, NODE)

    async def _append(self, records: list[Submission]) -> None:
        if self.refuse:
            raise InboxError("the disk is full")
        self.records += records

    async def start(self) -> None:
        await self.alerter.start()

    async def stop(self) -> None:
        await self.alerter.stop()
        self.hub.stop()

    def event(self, event_type: str = "reflex_action_executed", **data: Any) -> StreamEvent:
        """An event that is durable, and published if a hub is there."""
        self.seq += 1
        event = make_event(self.seq, event_type, tenant="acme", ids=("m_1",), data=data)
        self.replay.events.append(event)
        return event

    def publish(self, *events: StreamEvent) -> None:
        self.hub.publish_threadsafe(events)

    def alert(self, webhook: str | None = None, **more: Any) -> StreamEvent:
        return self.event(
            rule="loops", reason="a call was repeated", scope={"tool": "rm"},
            alert={"webhook": webhook, "severity": "error", "message": "look <here>"}, **more,
        )  # fmt: skip

    def results(self) -> list[tuple[str, str, int, Any]]:
        found = []
        for record in self.records:
            assert record.tenant == "acme"
            said = json.loads(record.body)
            data = said["data"]
            found.append((said["event"], data["webhook"], data["attempts"], data["status"]))
        return found

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not done():
                await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerter, "BACKOFF_S", 0.01)
    monkeypatch.setattr(alerter, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(alerter, "CURSOR_EVERY_S", 0.02)


@pytest.fixture
async def bench(tmp_path: Path, receiver: Receiver) -> AsyncIterator[Bench]:
    made = Bench(tmp_path, Webhook("ops", receiver.url, secret=SECRET))
    yield made
    await made.stop()


# ── delivering ───────────────────────────────────────────────────────────────────────────────


async def test_alert_arrives_signed_and_is_on_record(bench: Bench, receiver: Receiver) -> None:
    await bench.start()
    nothing, event = bench.event(alert=None), bench.alert()
    bench.publish(nothing, event, bench.event("budget_violation"))
    await bench.until(lambda: bench.alerter.results["delivered"] == 1)
    (headers, body) = receiver.got[0]
    when, signature = headers["x-neurorail-signature"].split(",")
    signed = when.removeprefix("t=").encode() + b"." + body
    expected = hmac.new(SECRET, signed, hashlib.sha256).hexdigest()
    assert signature == f"v1={expected}"
    assert headers["x-neurorail-event-id"] == headers["idempotency-key"] == event.event_id
    message = json.loads(body)
    assert message["event_id"] == event.event_id
    assert message["title"] == "loops: a call was repeated"
    assert (message["severity"], message["message"]) == ("error", "look <here>")
    assert message["scope"] == {"tool": "rm"}
    assert (message["mission_id"], message["tenant"]) == ("m_1", "acme")
    assert bench.results() == [("alert_delivered", "ops", 1, 200)]
    assert len(receiver.got) == 1


async def test_alert_is_sent_again_until_it_is_taken(bench: Bench, receiver: Receiver) -> None:
    receiver.answers = [(503, {}), (429, {"Retry-After": "0"}), (500, {"Retry-After": "soon"})]
    await bench.start()
    bench.publish(bench.alert())
    await bench.until(lambda: bool(bench.records))
    assert bench.results() == [("alert_delivered", "ops", 4, 200)]
    assert len({headers["x-neurorail-event-id"] for headers, _ in receiver.got}) == 1
    assert bench.alerter.results["retried"] == 3


@pytest.mark.parametrize("status", [400, 401, 404, 410, 302])
async def test_refused_for_good_is_given_up_and_on_record(
    bench: Bench, receiver: Receiver, status: int
) -> None:
    receiver.answers = [(status, {"Location": receiver.url})]
    await bench.start()
    bench.publish(bench.alert())
    await bench.until(lambda: bool(bench.records))
    assert bench.results() == [("alert_failed", "ops", 1, status)]
    assert len(receiver.got) == 1, "no redirect is followed"
    assert json.loads(bench.records[0].body)["data"]["error"]


async def test_nobody_answers_for_too_long(
    tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerter, "GIVE_UP_AFTER_S", 0.0)
    bench = Bench(tmp_path, Webhook("ops", f"http://127.0.0.1:{free_port()}/hook", secret=SECRET))
    await bench.start()
    bench.publish(bench.alert())
    await bench.until(lambda: bool(bench.records))
    assert bench.results() == [("alert_failed", "ops", 0, None)]
    await bench.stop()


# ── restarts ─────────────────────────────────────────────────────────────────────────────────


async def test_what_waits_outlives_a_restart(bench: Bench, receiver: Receiver) -> None:
    receiver.answers = [(503, {"Retry-After": "1"})]
    await bench.start()
    bench.publish(bench.alert())
    await bench.until(lambda: bench.alerter.results["retried"] == 1)
    await bench.stop()
    bench.begin()
    await bench.start()
    await bench.until(lambda: bool(bench.records))
    assert bench.results() == [("alert_delivered", "ops", 2, 200)]


async def test_what_happened_while_it_was_down_is_sent(bench: Bench, receiver: Receiver) -> None:
    bench.publish(bench.event())
    await bench.until(lambda: bench.hub.head_id != "")
    await bench.start()
    bench.publish(bench.alert())
    # On record first, and then forgotten: stopped in between, it would be sent again.
    await bench.until(lambda: bench.alerter.results["delivered"] == 1)
    await bench.stop()
    missed = bench.alert()
    bench.begin()
    bench.hub.publish_threadsafe([missed])
    await bench.start()
    await bench.until(lambda: len(bench.records) == 2)
    ids = [headers["x-neurorail-event-id"] for headers, _ in receiver.got]
    assert ids[-1] == missed.event_id
    assert len(ids) == 2, "what was sent before is not read again"


async def test_place_moves_on_without_alerts(bench: Bench) -> None:
    await bench.start()
    for _ in range(3):
        bench.publish(bench.event("state_changed"))
    last = bench.event("state_changed")
    bench.publish(last)
    file = sqlite3.connect(f"file:{bench.path / 'alerts.db'}?mode=ro", uri=True)
    place = "SELECT event_id FROM cursor"
    await bench.until(lambda: file.execute(place).fetchone() == (last.event_id,))
    file.close()


async def test_events_that_left_memory_are_read_again(tmp_path: Path, receiver: Receiver) -> None:
    bench = Bench(tmp_path, Webhook("ops", receiver.url, secret=SECRET))
    bench.hub = StreamHub(
        StreamConfig(buffer_events=100), node=NODE, clock=lambda: 0, replay=bench.replay
    )
    bench.hub.start()
    bench.alerter = Alerter(tmp_path / "a.db", bench.webhooks, bench.hub, bench._append, NODE)
    bench.publish(bench.event("state_changed"))
    await bench.until(lambda: bench.hub.head_id != "")
    await bench.start()
    await bench.until(lambda: bench.hub.stats().subscribers == 1)
    events = [bench.alert() for _ in range(3)]
    events += [bench.event("state_changed") for _ in range(150)]
    bench.publish(*events[:80])
    bench.publish(*events[80:])
    await bench.until(lambda: len(bench.records) >= 3)
    sent = [headers["x-neurorail-event-id"] for headers, _ in receiver.got]
    assert sent == [event.event_id for event in events[:3]]
    await bench.stop()


# ── several webhooks ─────────────────────────────────────────────────────────────────────────


async def test_alerts_go_where_they_are_addressed(tmp_path: Path, receiver: Receiver) -> None:
    bench = Bench(
        tmp_path,
        Webhook("ops", receiver.url, secret=SECRET),
        Webhook("team", receiver.url, secret=SECRET, events=frozenset({"budget_violation"})),
    )
    await bench.start()
    bench.publish(
        bench.alert("ops"), bench.alert(), bench.event("budget_violation"), bench.alert("nobody")
    )
    await bench.until(lambda: len(bench.records) == 5)
    assert sorted(bench.results()) == [
        ("alert_delivered", "ops", 1, 200),
        ("alert_delivered", "ops", 1, 200),
        ("alert_delivered", "team", 1, 200),
        ("alert_delivered", "team", 1, 200),
        ("alert_failed", "nobody", 0, None),
    ]
    assert {body["event_type"] for body in receiver.bodies()} == {
        "reflex_action_executed",
        "budget_violation",
    }
    await bench.stop()


async def test_webhook_that_is_gone_is_given_up(bench: Bench, receiver: Receiver) -> None:
    receiver.answers = [(503, {"Retry-After": "3000"})]
    await bench.start()
    bench.publish(bench.alert())
    await bench.until(lambda: bench.alerter.results["retried"] == 1)
    await bench.stop()
    bench.webhooks = (Webhook("other", receiver.url, secret=SECRET),)
    bench.begin()
    await bench.start()
    assert bench.results() == [("alert_failed", "ops", 1, None)]


async def test_without_webhooks_nothing_is_done(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.start()
    assert list(tmp_path.iterdir()) == []
    assert bench.hub.stats().subscribers == 0
    await bench.stop()


async def test_result_that_cannot_be_recorded_is_counted(bench: Bench) -> None:
    bench.refuse = True
    await bench.start()
    bench.publish(bench.alert())
    await bench.until(lambda: bench.alerter.results["delivered"] == 1)
    assert bench.alerter.results["unrecorded"] == 1


async def test_oldest_gives_way_when_too_many_wait(
    bench: Bench, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "WAITING_MAX", 2)
    receiver.answers = [(503, {"Retry-After": "3000"})] * 3
    await bench.start()
    for number in range(3):
        bench.publish(bench.alert())
        await bench.until(lambda n=number: bench.alerter.results["retried"] == n + 1)  # type: ignore[misc]
    assert bench.results() == [("alert_failed", "ops", 1, None)]
    assert bench.alerter.results["failed"] == 1


# ── forms ────────────────────────────────────────────────────────────────────────────────────

MESSAGE = {
    "event_id": "n.1.2.0", "title": "loops: again", "message": "look <here> & there",
    "severity": "critical", "rule": "loops", "scope_text": "tool=rm", "mission_id": "m_1",
    "node": "n",
}  # fmt: skip


def test_slack_reads_text_without_links_or_mentions() -> None:
    text = json.loads(Webhook("s", "http://x", "slack").body(MESSAGE))["text"]
    assert text == (
        "*CRITICAL* loops: again\nlook &lt;here&gt; &amp; there\n"
        "rule: `loops`\nscope: `tool=rm`\nmission: `m_1`"
    )
    bare = {**MESSAGE, "message": "", "rule": "", "scope_text": "", "mission_id": None}
    assert json.loads(Webhook("s", "http://x", "slack").body(bare))["text"] == (
        "*CRITICAL* loops: again"
    )


def test_pagerduty_gets_its_routing_key_and_no_signature() -> None:
    webhook = Webhook("p", "http://x", "pagerduty", secret=b"routing")
    body = json.loads(webhook.body(MESSAGE))
    assert body["routing_key"] == "routing"
    assert body["dedup_key"] == "neurorail:loops:tool=rm"
    assert body["payload"]["severity"] == "critical"
    assert body["payload"]["summary"] == "loops: again look <here> & there"
    assert "X-NeuroRail-Signature" not in webhook.headers("e", b"{}", 1)
    assert "routing" not in repr(webhook)


def test_backoff_grows_to_a_limit_and_heeds_the_server() -> None:
    assert backoff_s(3, None, 1.0) == pytest.approx(0.08)
    assert backoff_s(3, None, 0.0) == pytest.approx(0.04)
    assert backoff_s(100, None, 1.0) == 300.0
    assert backoff_s(0, 7.0, 0.0) == 7.0
    assert backoff_s(0, 10**9, 0.0) == 3_600.0


def test_answer_of_nobody_says_why() -> None:
    answer = post("http://127.0.0.1:9/", b"", {}, 1.0)
    assert answer.status == 0
    assert answer.error
    assert not answer.final
    assert not Answer(429).final
    assert Answer(404).final
