"""Reflexes by hand, questions, and what agents are told, over the real engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.rules.reflex.world import manifest
from tests.support.events import START_UNIX_NANO
from tests.support.live_engine import LiveEngine
from tests.support.rail import AnsweringInbox, Rail, Stream, open_access, running_rail

from neurorail.collector.access import Credentials, Gate, NewKey
from neurorail.collector.decode.commands import CreateCommand, encode_command
from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.rules.directives import Directive, issue
from neurorail.rules.manifest import actions, triggers
from neurorail.rules.manifest.model import ReflexRule
from neurorail.rules.reflex.confirmations import require

API = "/api/neurorail/v1"
GOVERNOR = "/api/governor/v1"
OPENAI = {"provider": "openai"}


class Acting:
    """An API over a real engine, whose events reach the hub."""

    def __init__(self, rail: Rail, live: LiveEngine) -> None:
        self.rail = rail
        self.live = live

    async def post(
        self, path: str, body: Any = None, status: int = 200, key: str | None = None
    ) -> Any:
        before = self.live.seq
        headers = {"Idempotency-Key": key} if key else {}
        response = await self.rail.client.post(path, json=body, headers=headers)
        assert response.status_code == status, response.text
        for seq in range(before + 1, self.live.seq + 1):
            self.rail.hub.publish_threadsafe(await self.live.applied(seq))
        return response.json()

    async def act(self, action: str, status: int = 200, **body: Any) -> Any:
        return await self.post(f"{API}/reflex/{action}", body, status)

    async def get(self, path: str, status: int = 200, **query: Any) -> Any:
        response = await self.rail.client.get(path, params=query)
        assert response.status_code == status, response.text
        return response.json()

    async def directives(self, **query: Any) -> list[str]:
        found = await self.get(f"{API}/control/directives", **query)
        return [one["directive_id"] for one in found["directives"]]

    def create(self, *ids: str) -> None:
        named = [*ids, *[None] * (5 - len(ids))]
        chain = (named[0], named[1], named[2], named[3], named[4])
        body = encode_command(CreateCommand(len(ids) - 1, chain))
        self.live.apply(Submission(Kind.COMMAND, Signal.NONE, body, encoding="json"))

    @asynccontextmanager
    async def stream(self, **query: Any) -> AsyncIterator[Stream]:
        url = f"{API}/control/stream"
        async with self.rail.client.stream("GET", url, params=query) as response:
            assert response.status_code == 200, await response.aread()
            stream = Stream(response)
            try:
                yield stream
            finally:
                stream.task.cancel()
                await asyncio.gather(stream.task, return_exceptions=True)


@pytest.fixture
async def acting() -> AsyncIterator[Acting]:
    live = LiveEngine()
    async with running_rail(live=live) as rail:
        yield Acting(rail, live)


# ── by hand ──────────────────────────────────────────────────────────────────────────────────


async def test_kill_switch_is_pulled_and_released(acting: Acting) -> None:
    killed = await acting.act("kill", scope=OPENAI, reason="incident 12")
    assert killed["directive_id"] == "kill:by hand:provider=openai"
    found = await acting.get(f"{API}/reflex/directives")
    (directive,) = found["directives"]
    assert directive["action"] == "kill"
    assert directive["code"] == "NR-E008"
    assert directive["scope"] == OPENAI
    assert directive["ttl_ms"] is None
    await acting.act("release", directive_id=killed["directive_id"], reason="over")
    assert (await acting.get(f"{API}/reflex/directives"))["total"] == 0


async def test_everything_is_stopped_only_on_purpose(acting: Acting) -> None:
    await acting.act("kill", 422, scope={}, reason="oops")
    await acting.act("kill", 422, reason="oops")
    await acting.act("kill", 422, everything=True, reason="  ")
    await acting.act("kill", everything=True, reason="fire")
    assert await acting.directives() == ["kill:by hand:*"]


async def test_entity_is_suspended_and_resumed(acting: Acting) -> None:
    acting.create("m_1")
    acting.create("m_1", "p_1")
    await acting.act("suspend", entity_id="p_1", ttl_ms=3_600_000)
    assert (await acting.get(f"{API}/lifecycle/state/plan/p_1"))["flags"] == ["suspended"]
    (directive,) = (await acting.get(f"{API}/reflex/directives"))["directives"]
    assert directive["scope"] == {"entity_type": "plan", "entity_id": "p_1"}
    assert directive["mission_id"] == "m_1"
    assert 0 < directive["ttl_ms"] <= 3_600_000 + 60_000
    await acting.act("resume", entity_id="p_1")
    assert (await acting.get(f"{API}/lifecycle/state/plan/p_1"))["flags"] == []


async def test_circuit_is_opened_and_closed(acting: Acting) -> None:
    opened = await acting.act("open", scope={"tool": "rm"}, reason="careful")
    (breaker,) = (await acting.get(f"{API}/reflex/breakers"))["breakers"]
    assert breaker["circuit_id"] == opened["circuit_id"] == ":tool=rm"
    assert (breaker["state"], breaker["held"]) == ("open", True)
    assert breaker["outcomes"] == []
    await acting.act("close", circuit_id=opened["circuit_id"])
    (breaker,) = (await acting.get(f"{API}/reflex/breakers"))["breakers"]
    assert breaker["state"] == "closed"
    problem = await acting.act("close", 409, circuit_id=opened["circuit_id"])
    assert problem["type"] == "urn:neurorail:problem:conflict-target"
    problem = await acting.act("open", 404, circuit_id="unknown")
    assert problem["detail"] == "no circuit unknown is known"


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("suspend", {"scope": {"modle": "x"}}, "scope"),
        ("suspend", {"scope": {"outcome": "failed"}}, "scope"),
        ("suspend", {"scope": {"tokens": "7"}}, "scope"),
        ("suspend", {"scope": {"mission_id": "7"}}, "scope.mission_id"),
        ("suspend", {"scope": {"tool": "x" * 257}}, "scope.tool"),
        ("suspend", {"scope": {f"tag.{n}": "x" for n in range(9)}}, "scope"),
        ("suspend", {"entity_id": "x_1"}, "entity_id"),
        ("suspend", {"entity_id": "m_1", "scope": OPENAI}, "scope"),
        ("suspend", {"circuit_id": "c"}, "circuit_id"),
        ("open", {"directive_id": "d"}, "directive_id"),
        ("close", {"scope": OPENAI, "ttl_ms": 5}, "ttl_ms"),
        ("kill", {"scope": OPENAI, "reason": "x", "ttl_ms": 0}, "ttl_ms"),
        ("suspend", {"scope": OPENAI, "until": 5}, "until"),
        ("explode", {"scope": OPENAI}, "action"),
    ],
)
async def test_bad_request_names_its_field(
    acting: Acting, action: str, body: dict[str, Any], field: str
) -> None:
    problem = await acting.act(action, 422, **body)
    assert problem["details"]["field"] == field
    assert acting.live.seq == 0, "nothing of it is on record"


async def test_what_is_sent_again_is_done_once(acting: Acting) -> None:
    body = {"scope": OPENAI, "reason": "incident"}
    first = await acting.post(f"{API}/reflex/kill", body, key="k1")
    again = await acting.post(f"{API}/reflex/kill", body, key="k1")
    assert first == again
    await acting.post(f"{API}/reflex/kill", {**body, "reason": "other"}, 422, key="k1")
    assert len((await acting.get(f"{API}/reflex/actions"))["actions"]) == 1


async def test_actions_are_listed_newest_first(acting: Acting) -> None:
    await acting.act("suspend", scope=OPENAI, reason="one")
    await acting.act("resume", scope=OPENAI, reason="two")
    page = await acting.get(f"{API}/reflex/actions", limit=1)
    assert [one["action_type"] for one in page["actions"]] == ["resume"]
    rest = await acting.get(f"{API}/reflex/actions", cursor=page["next_cursor"])
    assert [(one["action_type"], one["reason"]) for one in rest["actions"]] == [("suspend", "one")]


# ── questions ────────────────────────────────────────────────────────────────────────────────


async def test_question_is_approved_once(acting: Acting) -> None:
    acting.create("m_1")
    require(acting.live.engine.state, "personal", {"job_id": "j_1"}, "may it?", 3_600_000)
    found = await acting.get(f"{GOVERNOR}/confirmations", state="pending")
    (asked,) = found["confirmations"]
    assert asked["question"] == "may it?"
    path = f"{GOVERNOR}/confirmations/{asked['confirmation_id']}"
    assert (await acting.get(path))["state"] == "pending"
    answer = await acting.post(f"{path}/approve", {"reason": "fine"})
    assert (answer["state"], answer["reason"]) == ("approved", "fine")
    problem = await acting.post(f"{path}/deny", status=409)
    assert problem["details"]["state"] == "approved"
    assert (await acting.get(f"{GOVERNOR}/confirmations", state="pending"))["total"] == 0
    assert (await acting.get(f"{GOVERNOR}/confirmations"))["total"] == 1


async def test_unknown_question_is_not_found(acting: Acting) -> None:
    await acting.get(f"{GOVERNOR}/confirmations/c_unknown", 404)
    await acting.post(f"{GOVERNOR}/confirmations/c_unknown/approve", status=404)
    await acting.post(f"{GOVERNOR}/confirmations/c_unknown/perhaps", status=422)


# ── what agents are told ─────────────────────────────────────────────────────────────────────


async def test_picture_and_stream_together_miss_nothing(acting: Acting) -> None:
    await acting.act("suspend", scope=OPENAI, reason="one")
    picture = await acting.get(f"{API}/control/directives")
    assert [one["reason"] for one in picture["directives"]] == ["one"]
    await acting.act("kill", scope={"tool": "rm"}, reason="two")
    async with acting.stream(event_id=picture["event_id"]) as stream:
        await stream.until(lambda: len(stream.messages) == 1)
        await acting.act("resume", scope=OPENAI, reason="three")
        await stream.until(lambda: len(stream.messages) == 2)
    told = [(one["event_type"], one["data"]["reason"]) for one in stream.messages]
    assert told == [("directive_issued", "two"), ("directive_lifted", "three")]


async def test_agents_hear_of_what_may_concern_them(acting: Acting) -> None:
    acting.create("m_1")
    acting.create("m_2")
    acting.create("m_1", "p_1")
    await acting.act("suspend", scope=OPENAI)
    await acting.act("suspend", scope={"provider": "mistral", "agent": "writer"})
    await acting.act("suspend", entity_id="m_1")
    await acting.act("suspend", entity_id="m_2")
    await acting.act("suspend", entity_id="p_1")
    await acting.act("suspend", scope={"tool": None})
    every = await acting.directives()
    assert len(every) == 6
    mine = await acting.directives(scope=["mission_id=m_1", "provider=openai"])
    assert mine == [
        "suspend:by hand:provider=openai",
        "suspend:by hand:entity_id=m_1,entity_type=mission",
        "suspend:by hand:entity_id=p_1,entity_type=plan",
        "suspend:by hand:tool=None",
    ]
    assert len(await acting.directives(scope=["provider=openai", "provider=mistral"])) == 6
    assert "suspend:by hand:tool=None" not in await acting.directives(scope=["tool=rm"])
    async with acting.stream(event_id=(await acting.get(f"{API}/control/directives"))["event_id"],
                             scope="mission_id=m_1") as stream:  # fmt: skip
        await acting.act("resume", entity_id="m_2")
        await acting.act("resume", entity_id="p_1")
        await stream.until(lambda: len(stream.messages) == 1)
    assert stream.messages[0]["data"]["scope"]["entity_id"] == "p_1"


@pytest.mark.parametrize("scope", ["provider", "modle=x", "mission_id=7", "mission_id=p_1"])
async def test_bad_scope_of_an_agent_is_refused(acting: Acting, scope: str) -> None:
    await acting.get(f"{API}/control/directives", 422, scope=scope)
    await acting.get(f"{API}/control/directives", 422, scope=["tool=x"] * 101)


async def test_bad_event_id_is_refused(acting: Acting) -> None:
    await acting.get(f"{API}/control/stream", 422, event_id="x")


async def test_limited_key_hears_of_its_missions_alone(tmp_path: Path) -> None:
    live, inbox = LiveEngine(), AnsweringInbox()
    access = open_access(inbox, tmp_path / "keys.json")
    gate = Gate(access.gate.keys, lambda: START_UNIX_NANO, Credentials("an admin's key" * 3))
    _, agent = gate.keys.create(NewKey(name="a", role="viewer", missions=("m_1",)), "test")
    _, tagged = gate.keys.create(NewKey(name="b", role="viewer", tags={"team": "x"}), "test")
    async with running_rail(access=replace(access, gate=gate), live=live) as rail:
        acting = Acting(rail, live)
        acting.create("m_1")
        acting.create("m_2")
        state = live.engine.state
        scopes: list[dict[str, str | None]] = [
            {"entity_type": "mission", "entity_id": "m_1"},
            {"entity_type": "mission", "entity_id": "m_2"},
            {"job_id": "j_9", "entity_type": "job"},
            {**OPENAI},
        ]
        for number, scope in enumerate(scopes):
            issue(state, Directive(f"d{number}", "suspend", scope, "NR-E006", "", "", 0))

        async def heard(key: str, status: int = 200, **query: Any) -> list[str]:
            response = await rail.client.get(
                f"{API}/control/directives", params=query, headers={"X-API-Key": key}
            )
            assert response.status_code == status, response.text
            return [one["directive_id"] for one in response.json().get("directives", ())]

        assert await heard(agent) == ["d0", "d3"]
        assert await heard(tagged) == ["d3"]
        await heard(agent, 403, scope="mission_id=m_2")
        await heard(tagged, 403, scope="mission_id=m_1")


async def test_reflex_of_a_manifest_reaches_the_agents(acting: Acting) -> None:
    rule = ReflexRule(
        id="flaky",
        trigger=triggers.FanOut(level="mission", count=2, window_ms=60_000),
        per=("mission_id",),
        actions=(actions.Throttle(calls=5, every_ms=1_000),),
    )
    state = acting.live.engine.state
    state.manifests["default"] = manifest(rule)
    for plan in ("p_1", "p_2"):
        acting.create("m_1")
        acting.create("m_1", plan)
        for step in ("enqueue", "start"):
            body = {"entity_id": "m_1", "transition": step}
            await acting.rail.client.post(f"{API}/lifecycle/transition/mission", json=body)
            body = {"entity_id": plan, "transition": step}
            await acting.rail.client.post(f"{API}/lifecycle/transition/plan", json=body)
    (directive,) = (await acting.get(f"{API}/control/directives"))["directives"]
    assert directive["scope"] == {"mission_id": "m_1"}
    assert directive["limits"] == {"calls": 5, "every_ms": 1_000, "burst": 5}
    assert directive["rule"] == "flaky"


# ── agents ───────────────────────────────────────────────────────────────────────────────────

SELF = {
    "instance_id": "host-1.4711",
    "agent": "writer",
    "sdk": "neurorail 1.0",
    "gate": {"mode": "direct", "connected": True, "fail": "open", "directives": 3},
}


async def test_agent_announces_itself_and_is_listed(acting: Acting) -> None:
    told = await acting.post(f"{API}/agents", SELF)
    assert told["heartbeat_ms"] < told["gone_after_ms"]
    await acting.post(f"{API}/agents", {**SELF, "gate": {"directives": 4}})
    (agent,) = (await acting.get(f"{API}/agents"))["agents"]
    assert agent["agent"] == "writer"
    assert agent["gate"]["directives"] == 4
    assert acting.live.seq == 1, "only the first one is on record"
    (event,) = await acting.live.applied(1)
    assert event.event_type == "agent_connected"


async def test_bad_agent_is_refused(acting: Acting) -> None:
    await acting.post(f"{API}/agents", {"instance_id": "a b"}, 422)
    await acting.post(f"{API}/agents", {**SELF, "gate": {"mode": "off"}}, 422)
