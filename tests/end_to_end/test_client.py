"""The Python client against a whole server: typed calls, errors, and streams across a restart."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.process import ServerProcess, running_server

from neurorail.client import (
    Call,
    Client,
    Conflict,
    IllegalTransition,
    Invalid,
    NotFound,
    Unreachable,
    calls,
)
from neurorail.client.asynchronous import AsyncClient

MANIFEST = "neurorail_manifest: 1\nname: t\nversion: '7'\ndefault_mode: direct\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of this module."""
    with running_server(tmp_path_factory.mktemp("server") / "data") as found:
        yield found


def test_a_chain_is_made_moved_and_read(server: ServerProcess) -> None:
    with Client(server.api) as client:
        mission = client.ask(calls.create_mission(tags={"a": "b"}).once("one"))
        assert client.ask(calls.create_mission(tags={"a": "b"}).once("one")) == mission
        plan = client.ask(calls.create_plan(mission["entity_id"]))
        job = client.ask(calls.create_job(plan["entity_id"], "llm_call"))
        attempt = client.ask(calls.create_attempt(job["entity_id"]))
        resource = client.ask(calls.create_resource(attempt["entity_id"], "llm_call"))
        tree = client.ask(calls.trace("mission", mission["entity_id"]))
        assert len(tree["descendants"]) == 4
        assert (
            client.ask(calls.entity_state("resource", resource["entity_id"]))["state"] == "pending"
        )
        charged = client.ask(
            calls.record_usage("resource", resource["entity_id"], input_tokens=5, cost_usd="0.25")
        )
        assert charged["cost_usd"] == 0.25
        assert client.ask(calls.entity_metrics(mission["entity_id"]))["input_tokens"] == 5
        made = client.ask(calls.create_manifest(MANIFEST))
        assert client.ask(calls.move_manifest(made["version"], "shadow"))["state"] == "shadow"
        decision = client.ask(calls.decide("llm_call", estimates={"tokens": 10}))
        assert decision["allowed"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_errors_are_of_their_kind(server: ServerProcess, asynchronous: bool) -> None:
    def ask(call: Call[object]) -> object:
        if not asynchronous:
            return Client(server.api).ask(call)

        async def asking() -> object:
            async with AsyncClient(server.api) as client:
                return await client.ask(call)

        return asyncio.run(asking())

    mission_id = f"m_errors{int(asynchronous)}"
    ask(calls.create_mission(mission_id=mission_id))
    with pytest.raises(IllegalTransition) as caught:
        ask(calls.transition("mission", mission_id, "succeed"))
    assert isinstance(caught.value, Conflict)
    assert caught.value.code == "NR-E301"
    assert caught.value.details["allowed_transitions"] == ["enqueue", "cancel"]
    with pytest.raises(NotFound):
        ask(calls.entity_state("mission", "m_nobody"))
    with pytest.raises(Invalid) as invalid:
        ask(calls.entity_state("mission", "p_1"))
    assert not invalid.value.retriable


def test_lines_come_as_they_are_made(server: ServerProcess) -> None:
    async def verified() -> list[str]:
        async with AsyncClient(server.api) as client:
            return [line async for line in client.stream_lines(calls.audit_verify())]

    lines = asyncio.run(verified())
    assert '"ok":true' in lines[-1].replace(" ", "")


def test_nobody_there(free_port: Callable[[], int]) -> None:
    async def asked() -> None:
        async with AsyncClient(f"http://127.0.0.1:{free_port()}", timeout_s=60) as client:
            await client.ask(calls.health())

    with pytest.raises(Unreachable):
        asyncio.run(asked())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_stream_goes_on_across_a_restart(
    tmp_path: Path, free_port: Callable[[], int], asynchronous: bool
) -> None:
    api = f"127.0.0.1:{free_port()}"
    expected = [f"m_{number}" for number in range(6)]
    seen: list[str] = []
    half = threading.Event()
    connected = threading.Event()

    def took(mission_id: str) -> bool:
        seen.append(mission_id)
        if len(seen) == 3:
            half.set()
        return len(seen) == len(expected)

    def follow() -> None:
        client = Client(f"http://{api}")
        states = client.follow_events(
            ["lifecycle"], ["state_changed"], on_state=lambda _: connected.set()
        )
        for message in states:
            if took(message.data["mission_id"]):
                return

    async def follow_async() -> None:
        async with AsyncClient(f"http://{api}") as client:
            messages = client.follow_events(
                ["lifecycle"], ["state_changed"], on_state=lambda _: connected.set()
            )
            async for message in messages:
                if took(message.data["mission_id"]):
                    return

    work = (lambda: asyncio.run(follow_async())) if asynchronous else follow
    follower = threading.Thread(target=work)
    with running_server(tmp_path / "data", "--api", api) as server:
        follower.start()
        assert connected.wait(60)
        for mission_id in expected[:3]:
            Client(server.api).ask(calls.create_mission(mission_id=mission_id))
        assert half.wait(60)
        server.kill()
    with running_server(tmp_path / "data", "--api", api) as server:
        for mission_id in expected[3:]:
            Client(server.api).ask(calls.create_mission(mission_id=mission_id))
        follower.join(60)
        assert not follower.is_alive()
    assert seen == expected
