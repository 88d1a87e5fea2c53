"""Reflexes of a whole server: from a span to a webhook, and to agents, over kill -9."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.end_to_end.agents import run_agent
from tests.end_to_end.rail import Chain, Rail, config_file, until
from tests.end_to_end.test_manifests import command
from tests.support.otlp_requests import set_attributes, traces
from tests.support.process import ServerProcess, running_server
from typer.testing import CliRunner

from neurorail.app.cli import build
from neurorail.client import Client

MANIFEST = """
neurorail_manifest: 1
name: loops
version: "2"
default_mode: direct
reflexes:
  - id: loops
    trigger:
      repeated_call: {count: 3, window: 10m}
    per: [mission_id]
    actions:
      - cancel: {level: mission}
      - alert: {message: "look at this"}
  - id: flaky
    trigger:
      consecutive_failures: {count: 2}
    per: [provider]
    actions:
      - suspend: {}
    breaker: {cooldown: 1h}
"""


ASKS = """
neurorail_manifest: 1
name: asks
version: "3"
default_mode: direct
reflexes:
  - id: asks
    trigger:
      consecutive_failures: {count: 1}
    per: [provider]
    actions:
      - confirm: {question: "Still?"}
"""


class Hook:
    """A webhook; it takes nothing while it is `down`."""

    def __init__(self) -> None:
        self.down = True
        self.got: list[dict[str, Any]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not hook.down:
                    hook.got.append(json.loads(body))
                self.send_response(503 if hook.down else 204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def send_calls(rail: Rail, chain: Chain, *calls: dict[str, Any], error: bool = False) -> None:
    now = time.time_ns()
    spans = [chain.entity("mission", 1, times=(now - 20, now))]
    for number, said in enumerate(calls, 2):
        span = chain.span(number, 4, parent=1, times=(now - 9, now))
        set_attributes(span.attributes, said)
        if error:
            span.status.code = 2
        spans.append(span)
    rail.send("traces", traces(*spans))


def directives(server: ServerProcess) -> list[dict[str, Any]]:
    body = Client(server.api).get_json("/api/neurorail/v1/control/directives")
    return list(body["directives"])


def shows(server: ServerProcess, metric: str, value: float) -> None:
    """Wait until a metric of the server has a value."""
    until(f"{metric} is {value}", lambda: Rail(server).metrics()[metric] == value)


LOOPING = """
    import asyncio
    from neurorail.instrumentation import *
    configure()

    @tool("search")
    async def search(query):
        await asyncio.sleep(0.01)

    async def main():
        async with mission("loop"), attempt():
            for number in range(10):
                await search(f"query {number}")
            for _ in range(10_000):
                await search("the same")

    try:
        asyncio.run(main())
    except NeuroRailRefused as error:
        print(error.code, error.rule)
    shutdown()
"""


def test_an_agent_that_calls_its_tool_again_and_again_is_stopped(tmp_path: Path) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_text(MANIFEST)
    with running_server(tmp_path / "data") as server:
        command(tmp_path / "data", "create", str(file))
        command(tmp_path / "data", "activate", "2", "--force", "--reason", "first")
        code, rule = run_agent(Rail(server), LOOPING)
        assert (code, rule) == ("NR-E006", "loops")


def test_loop_is_cancelled_and_told_and_outage_is_cut_off(tmp_path: Path, hook: Hook) -> None:
    data, secret = tmp_path / "data", tmp_path / "secret"
    secret.write_text("shared")
    webhook = {"name": "ops", "url": hook.url, "secret_file": str(secret)}
    config = config_file(tmp_path, alerts={"webhooks": [webhook]})
    file = tmp_path / "manifest.yaml"
    file.write_text(MANIFEST)
    chain = Chain()
    search = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search",
              "gen_ai.tool.call.arguments": '{"q": "the same"}'}  # fmt: skip
    chat = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-5"}  # fmt: skip
    with running_server(data, "--config", str(config)) as server:
        command(data, "create", str(file))
        command(data, "activate", "2", "--force", "--reason", "first")
        send_calls(Rail(server), chain, search, search, search)
        (cancel,) = until("a directive", lambda: directives(server))
        assert cancel["action"] == "cancel"
        assert cancel["scope"] == {"entity_type": "mission", "entity_id": chain.mission}
        assert "search was called 3 times" in cancel["reason"]
        send_calls(Rail(server), Chain(), chat, chat, error=True)
        until("another directive", lambda: len(directives(server)) == 2)
        server.kill()
    hook.down = False
    with running_server(data, "--config", str(config)) as server:
        # What was durable is applied again after a crash, a moment after the start.
        until("both directives", lambda: len(directives(server)) == 2)
        actions = {one["action"]: one for one in directives(server)}
        assert actions["suspend"]["scope"] == {"provider": "openai"}
        assert actions["cancel"]["rule"] == "loops"
        (alert,) = until("the alert", lambda: hook.got)
        assert (alert["rule"], alert["message"]) == ("loops", "look at this")
        assert alert["mission_id"] == chain.mission
        audit = "/api/neurorail/v1/audit/events?event_type=alert_delivered"
        (told,) = until("its record", lambda: Client(server.api).get_json(audit)["events"])
        assert told["details"]["alert_event_id"] == alert["event_id"]
        until("it is counted", lambda: Rail(server).metrics()["neurorail_alerts_total"] >= 1)
        shows(server, "neurorail_engine_directives", 2)
        shows(server, "neurorail_engine_circuits_open", 1)
        by_hand(data)
        shows(server, "neurorail_engine_circuits_open", 0)
        questions(data, Rail(server))


def run(data: Path, *arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(build(), [*arguments, "--data-dir", str(data)])
    assert result.exit_code == status, result.output
    return result.output if status else result.stdout


def by_hand(data: Path) -> None:
    """What operators do with the command line."""
    assert "flaky:provider=openai" in run(data, "reflex", "list")
    told = run(data, "reflex", "kill", "--scope", "tool=rm", "--scope", "agent=", "--reason", "no")
    assert told == "kill: kill:by hand:agent=None,tool=rm\n"
    found = json.loads(run(data, "reflex", "list", "--json"))
    (killed,) = [one for one in found["directives"] if one["action"] == "kill"]
    assert killed["scope"] == {"tool": "rm", "agent": None}
    run(data, "reflex", "release", "--directive", killed["directive_id"])
    assert "no directive" in run(data, "reflex", "release", "--directive", "x", status=1)
    run(data, "reflex", "close", "--circuit", "flaky:provider=openai", "--reason", "mended")
    assert "is closed" in run(data, "reflex", "close", "--circuit", "flaky:provider=openai",
                              status=1)  # fmt: skip
    assert "no NAME=VALUE" in run(data, "reflex", "kill", "--scope", "tool", status=2)
    assert "needs a reason" in run(data, "reflex", "kill", "--everything", status=2)


def questions(data: Path, rail: Rail) -> None:
    """A question that a reflex asks, answered with the command line."""
    file = data.parent / "asks.yaml"
    file.write_text(ASKS)
    command(data, "create", str(file))
    command(data, "activate", "3", "--force", "--reason", "ask")
    assert run(data, "confirmations", "list") == ""
    chat = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "mistral",
            "gen_ai.request.model": "large"}  # fmt: skip
    send_calls(rail, Chain(), chat, error=True)

    def confirmations() -> list[dict[str, Any]]:
        told = json.loads(run(data, "confirmations", "list", "--json"))
        return list(told["confirmations"])

    (asked,) = until("a question", confirmations)
    assert "Still?  (provider=mistral)" in run(data, "confirmations", "list")
    name = asked["confirmation_id"]
    assert run(data, "confirmations", "approve", name, "--reason", "ok") == f"{name} is approved\n"
    assert "is approved already" in run(data, "confirmations", "deny", name, status=1)
    assert name in run(data, "confirmations", "list", "--all")
    run(data, "confirmations", "deny", "c_unknown", status=1)
