"""Manifests over HTTP, with the real engine behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.live_engine import LiveEngine
from tests.support.rail import AnsweringInbox, Rail, open_access, running_rail

from neurorail.api.access import Access
from neurorail.api.routes.manifests import CANONICAL_BYTES_MAX
from neurorail.collector.access import NewKey
from neurorail.rules.manifest.default import shipped

PATH = "/api/governor/v1/manifests"
YAML = "neurorail_manifest: 1\nname: test\nversion: '{}'\ndefault_mode: rail # comment\n"
OPEN = "gate: {min_evaluations: 0, min_shadow_time: 0}\n"


@pytest.fixture
async def live() -> LiveEngine:
    return LiveEngine()


@pytest.fixture
async def rail(live: LiveEngine) -> AsyncIterator[Rail]:
    async with running_rail(live=live) as running:
        yield running


async def ask(rail: Rail, path: str, body: dict[str, Any], status: int, **headers: str) -> Any:
    response = await rail.client.post(PATH + path, json=body, headers=headers)
    assert response.status_code == status, response.text
    return response.json()


async def look(rail: Rail, path: str = "", status: int = 200) -> Any:
    response = await rail.client.get(PATH + path)
    assert response.status_code == status, response.text
    return response.json()


async def test_without_a_manifest_the_shipped_one_is_in_force(rail: Rail) -> None:
    found = await look(rail)
    assert found == {"active": {"version": "1", "sha256": shipped().sha256}, "manifests": []}
    active = await look(rail, "/active")
    assert active["source"] is None
    assert active["manifest"]["default_mode"] == "direct"


async def test_manifest_goes_from_draft_to_retired(rail: Rail, live: LiveEngine) -> None:
    made = await ask(rail, "", {"source": YAML.format("2.0")}, 201)
    assert (made["version"], made["state"]) == ("2.0", "draft")
    assert made["previous_sha256"] is None
    assert made["unmet"] == [
        "0 evaluations, at least 100 are needed",
        "0 ms as a shadow, at least 1 d are needed",
    ]
    shadow = await ask(rail, "/2.0/shadow", {}, 200)
    assert shadow["state"] == "shadow"
    blocked = await ask(rail, "/2.0/activate", {}, 409)
    assert blocked["code"] == "NR-E132"
    assert blocked["details"]["unmet"] == [
        "0 evaluations, at least 100 are needed",
        "1 s as a shadow, at least 1 d are needed",
    ]
    forced = {"force": True, "reason": "the vendor is down"}
    assert (await ask(rail, "/2.0/activate", forced, 200))["state"] == "active"
    assert (await look(rail))["active"]["version"] == "2.0"
    active = await look(rail, "/active")
    assert active["source"] == YAML.format("2.0")
    assert active["manifest"]["default_mode"] == "rail"
    assert (await ask(rail, "/2.0/retire", {"reason": "over"}, 200))["state"] == "retired"
    assert (await look(rail))["active"]["version"] == "1"
    assert [record.principal for record in live.records] == ["anonymous"] * 5
    types = [event.event_type for events in live._events.values() for event in events]
    assert types == [
        "manifest_created",
        "manifest_shadowed",
        "manifest_refused",
        "manifest_activated",
        "override_used",
        "manifest_retired",
    ]


async def test_successor_is_linked_and_takes_the_place(rail: Rail) -> None:
    first = await ask(rail, "", {"source": YAML.format("a") + OPEN}, 201)
    second = await ask(rail, "", {"source": YAML.format("b")}, 201)
    assert second["previous_sha256"] == first["chain_sha256"]
    await ask(rail, "/a/activate", {"force": True, "reason": "first"}, 200)
    assert (await ask(rail, "/b/activate", {}, 200))["state"] == "active"
    states = [one["state"] for one in (await look(rail))["manifests"]]
    assert states == ["retired", "active"]


async def test_faults_are_told_with_their_places(rail: Rail) -> None:
    wrong = await ask(rail, "", {"source": YAML.format("1.0") + "polls: []"}, 422)
    assert wrong["code"] == "NR-E110"
    assert wrong["detail"] == "5:1: unknown key 'polls'; did you mean 'pools'?"
    assert wrong["details"]["faults"] == [
        {
            "line": 5,
            "column": 1,
            "path": "",
            "message": "unknown key 'polls'; did you mean 'pools'?",
        }
    ]


async def test_the_sentence_says_how_many_faults_it_leaves_out(rail: Rail) -> None:
    wrong = await ask(
        rail, "", {"source": YAML.format("1.0") + "".join(f"x{n}: 1\n" for n in range(7))}, 422
    )
    assert wrong["detail"].count("unknown key") == 3
    assert wrong["detail"].endswith("; and 4 more, in `details.faults`")
    assert len(wrong["details"]["faults"]) == 7


async def test_alerts_that_would_be_sent_nowhere_are_warned_of(rail: Rail) -> None:
    reflex = (
        "reflexes: [{id: stuck, trigger: {no_progress: {silent_for: 1m}}, "
        "actions: [alert: {webhook: pager}, alert: {}, suspend: {}]}]\n"
    )
    made = await ask(rail, "", {"source": YAML.format("2.0") + reflex}, 201)
    assert made["warnings"] == [
        {"code": "unknown-webhook", "field": "webhook", "detail": f"reflex 'stuck': {which} is "
         "configured, its alert is sent nowhere"}
        for which in ("no webhook 'pager'", "no webhook")
    ]  # fmt: skip
    assert (await ask(rail, "/2.0/shadow", {}, 200))["warnings"] == []
    forced = {"force": True, "reason": "first"}
    activated = await ask(rail, "/2.0/activate", forced, 200)
    assert activated["warnings"] == made["warnings"]
    assert (await ask(rail, "", {"source": YAML.format("3.0")}, 201))["warnings"] == []


async def test_manifest_that_is_too_large(rail: Rail) -> None:
    rules = "".join(
        f"- {{id: r{number}, mode: rail, description: '{'x' * 150}'}}\n" for number in range(950)
    )
    wrong = await ask(rail, "", {"source": f"{YAML.format('1.0')}mode_rules:\n{rules}"}, 422)
    assert f"at most {CANONICAL_BYTES_MAX} fit" in wrong["detail"]


async def test_version_is_taken(rail: Rail) -> None:
    await ask(rail, "", {"source": YAML.format("2.0")}, 201)
    taken = await ask(rail, "", {"source": YAML.format("2.0")}, 409)
    assert taken["code"] == "NR-E110"
    assert taken["detail"] == "the same manifest has version 2.0 already"


async def test_unknown_manifest(rail: Rail) -> None:
    await look(rail, "/7", 404)
    await ask(rail, "/7/shadow", {}, 404)
    await ask(rail, "/7/promote", {}, 422)


async def test_force_needs_the_permission_and_a_reason(tmp_path: Path) -> None:
    live = LiveEngine()
    access: Access = open_access(AnsweringInbox(), tmp_path / "keys.json")
    keys = access.gate.keys
    _, admin = keys.create(NewKey(name="a", role="admin"), "test")
    _, operator = keys.create(NewKey(name="o", role="operator"), "test")
    _, viewer = keys.create(NewKey(name="v", role="viewer"), "test")
    async with running_rail(live=live, access=access) as rail:
        source = {"source": YAML.format("2.0")}
        await ask(rail, "", source, 403, Authorization=f"Bearer {viewer}")
        await ask(rail, "", source, 201, Authorization=f"Bearer {operator}")
        force = {"force": True, "reason": "now"}
        denied = await ask(rail, "/2.0/activate", force, 403, Authorization=f"Bearer {operator}")
        assert denied["details"]["permission"] == "emergency:override"
        silent = {"force": True, "reason": " "}
        await ask(rail, "/2.0/activate", silent, 422, Authorization=f"Bearer {admin}")
        done = await ask(rail, "/2.0/activate", force, 200, Authorization=f"Bearer {admin}")
        assert done["state"] == "active"


async def test_change_that_is_sent_again_changes_nothing(rail: Rail, live: LiveEngine) -> None:
    key = {"Idempotency-Key": "k1"}
    source = {"source": YAML.format("2.0")}
    first = await ask(rail, "", source, 201, **key)
    again = await rail.client.post(PATH, json=source, headers=key)
    assert again.status_code == 201
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first
    await ask(rail, "", {"source": YAML.format("3.0")}, 422, **key)
    await ask(rail, "/2.0/shadow", {}, 200, **key)
    await ask(rail, "/2.0/shadow", {}, 200, **key)
    await ask(rail, "/2.0/shadow", {}, 409)
