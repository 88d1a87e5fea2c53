"""Every route states what it needs, and every caller gets what it may and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from fastapi import APIRouter, FastAPI
from joserfc.jwk import RSAKey
from starlette.routing import Mount
from tests.support.events import SECOND, START_UNIX_NANO
from tests.support.issuer import RSA, Issuer, token
from tests.support.rail import AnsweringInbox, Rail, open_access, running_rail

from neurorail.api import ApiConfig
from neurorail.api.access import Access, GovernedRoute, Router, governed, needs
from neurorail.collector.access import Credentials, Gate, NewKey
from neurorail.collector.access.permissions import (
    CHANNEL_PERMISSIONS,
    PERMISSIONS,
    ROLES,
    SIGNAL_PERMISSIONS,
)
from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.otlp.signals import SPECS
from neurorail.rules.events import CHANNELS, EVENT_TYPES

ADMIN_KEY = "an admin's key of 32 characters or more"
SEES_TENANTS = "/api/neurorail/v1/missions"
SESSION = "/api/neurorail/v1/session"
PUBLIC = {
    "GET /health",
    "GET /ready",
    "GET /",
    "GET /docs",
    f"POST {SESSION}/end",
    f"GET {SESSION}/methods",
    f"GET {SESSION}/oidc/start",
    f"GET {SESSION}/oidc/callback",
}


class Guarded:
    """A running API with a key of each kind."""

    def __init__(self, rail: Rail, access: Access) -> None:
        self.rail = rail
        self.access = access
        self.keys: dict[str, str] = {}

    def key(self, name: str, **may: Any) -> str:
        _, text = self.access.gate.keys.create(NewKey(name=name, **may), "test")
        self.keys[name] = text
        return text

    async def ask(self, method: str, path: str, key: str | None, **more: Any) -> httpx2.Response:
        headers = {"X-API-Key": key} if key else {}
        if key is not None and key.startswith("eyJ"):
            headers = {"Authorization": f"Bearer {key}"}
        return await self.rail.client.request(method, path, headers=headers, **more)


def signed(key: RSAKey = RSA, **claims: Any) -> str:
    """A token of the provider that is good for a minute, apart from what is said otherwise."""
    return token(key, **{"exp": START_UNIX_NANO // SECOND + 60, "roles": ["admin"], **claims})


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Guarded]:
    inbox = AnsweringInbox()
    access = open_access(inbox, tmp_path / "keys.json")
    bearer = Issuer(RSA).tokens()
    gate = Gate(access.gate.keys, lambda: START_UNIX_NANO, Credentials(ADMIN_KEY), bearer=bearer)
    access = replace(access, gate=gate, loopback=False)
    async with running_rail(ApiConfig(port=0), access=access, inbox=inbox) as rail:
        made = Guarded(rail, access)
        for role in ROLES:
            made.key(role, role=role)
        made.key("agent", agent=True)
        made.key("expired", role="admin", expires_unix_nano=START_UNIX_NANO)
        made.key("revoked", role="admin")
        revoked = made.access.gate.keys.match(made.keys["revoked"])
        assert revoked is not None
        made.access.gate.keys.revoke(revoked.id)
        made.key("limited", role="admin", missions=("m_1",))
        made.key("elsewhere", role="operator", tenant="acme")
        yield made


def operations(rail: Rail) -> dict[str, GovernedRoute]:
    return governed(rail.app)


async def test_every_route_declares_what_it_needs(rail: Rail) -> None:
    found = operations(rail)
    assert len(found) > 10
    assert {name for name, route in found.items() if route.needs.public} == PUBLIC
    for route in found.values():
        assert set(route.needs.permissions) <= set(PERMISSIONS)
    others = {
        route.path
        for route in rail.app.routes
        if not isinstance(route, GovernedRoute) and hasattr(route, "path")
    }
    # Nothing of the data: the pages' own files and the description of the API.
    assert others == {"/neurorail", "/openapi.json"}
    assert sum(isinstance(route, Mount) for route in rail.app.routes) == 1


def test_a_route_that_declares_nothing_cannot_be_made() -> None:
    router = Router()
    with pytest.raises(TypeError, match="declares no permission"):

        @router.get("/forgotten")
        async def forgotten() -> None: ...


def test_a_route_of_another_router_is_noticed() -> None:
    app, router = FastAPI(), APIRouter()

    @router.get("/stray")
    @needs()
    async def stray() -> None: ...

    app.include_router(router)
    with pytest.raises(TypeError, match="/stray is no governed route"):
        governed(app)


def test_every_channel_and_signal_states_what_it_needs() -> None:
    assert set(CHANNEL_PERMISSIONS) == set(CHANNELS)
    assert {kind.channel for kind in EVENT_TYPES.values()} <= set(CHANNEL_PERMISSIONS)
    assert set(SIGNAL_PERMISSIONS) == {spec.name for spec in SPECS}
    for needed in (*CHANNEL_PERMISSIONS.values(), SIGNAL_PERMISSIONS.values()):
        assert set(needed) <= set(PERMISSIONS)


def filled(path: str) -> str:
    """A path with something in the place of each parameter."""
    for name, value in (("{entity_type}", "mission"), ("{role}", "viewer"), ("{key_id}", "none")):
        path = path.replace(name, value)
    return path.replace("{", "").replace("}", "")


async def test_access_matrix(guarded: Guarded) -> None:
    """Every route × every kind of caller: 401, 403, or let in (whatever it then says)."""
    keys = guarded.keys
    granted: dict[str, frozenset[str]] = {role: frozenset(ROLES[role]) for role in ROLES}
    granted["elsewhere"] = granted["operator"]
    keys = {**keys, "token": signed(roles=["viewer"])}
    granted["token"] = granted["viewer"]
    strangers = {
        "none": None,
        "foreign": "nrk_00000000_" + "x" * 43,
        "no signature": "eyJhbGciOiJub25lIn0.e30.",
        "foreign token": signed(iss="https://other.example"),
        "forged token": signed(RSAKey.generate_key(2048, {"kid": "r1"})),
        "wrong audience": signed(aud="somebody else"),
        "expired token": signed(exp=START_UNIX_NANO // SECOND - 60),
        "expired": keys["expired"],
        "revoked": keys["revoked"],
    }
    for name, route in operations(guarded.rail).items():
        method, path = name.split(" ")
        if path.endswith("/stream/events"):
            path += "?channels=nothing"  # An answer that ends: 422, past every check.
        elif path.endswith("/control/stream"):
            path += "?event_id=nothing"
        target = filled(path)
        needed = route.needs
        for who, key in strangers.items():
            response = await guarded.ask(method, target, key)
            expected = response.status_code != 401 if needed.public else response.status_code == 401
            assert expected, (name, who, response.status_code)
        for who in (*granted, "agent", "limited"):
            response = await guarded.ask(method, target, keys[who])
            if needed.public:
                let_in = True
            elif who == "agent":
                let_in = needed.agents
            elif who == "limited":
                let_in = needed.scoped
            else:
                let_in = set(needed.permissions) <= granted[who]
            refused = response.status_code in (401, 403)
            if who == "limited" and let_in:
                continue  # Let in, then held to its mission: see below.
            assert refused != let_in, (name, who, response.text)
            if refused and who in granted:
                missing = response.json()["details"]["missing_permissions"]
                assert missing
                assert not set(missing) & granted[who]


async def test_refusals_are_problems_that_say_what_to_do(guarded: Guarded) -> None:
    none = await guarded.ask("GET", "/api/neurorail/v1/audit/stats", None)
    assert none.status_code == 401
    assert none.headers["www-authenticate"] == "Bearer"
    assert none.headers["content-type"] == "application/problem+json"
    agent = await guarded.ask("GET", "/api/neurorail/v1/audit/stats", guarded.keys["agent"])
    assert agent.status_code == 403
    viewer = await guarded.ask("POST", "/api/neurorail/v1/rbac/keys", guarded.keys["viewer"])
    assert viewer.json()["details"]["permission"] == "manage:rbac"
    assert guarded.access.denials.counts()["forbidden"] == 2
    told = [msgspec.json.decode(record.body) for record in guarded.rail.inbox.records]
    assert [(one["event"], one["data"]["reason"]) for one in told] == [
        ("access_denied", "missing"),
        ("access_denied", "forbidden"),
        ("access_denied", "forbidden"),
    ]
    assert told[2]["data"]["permission"] == "manage:rbac"
    assert guarded.rail.inbox.records[2].principal.startswith("key:")


async def test_a_stranger_is_told_nothing_about_the_body(guarded: Guarded) -> None:
    path = "/api/neurorail/v1/rbac/authorize"
    assert (await guarded.ask("POST", path, None, content=b"{")).status_code == 401
    assert (await guarded.ask("POST", path, ADMIN_KEY, content=b"{")).status_code == 422


async def test_a_channel_needs_its_own_permission(guarded: Guarded) -> None:
    path = "/api/neurorail/v1/stream/events"
    only = guarded.key("only", permissions=("stream:events", "read:metrics"))
    for channel, status in (("audit", 403), ("lifecycle", 403), ("all", 403), ("", 403)):
        query = {"channels": channel} if channel else {}
        response = await guarded.ask("GET", path, only, params=query)
        assert response.status_code == status, channel
    assert (await guarded.ask("GET", path, only)).json()["details"]["missing_permissions"] == [
        "read:audit",
        "read:lifecycle",
    ]
    headers = {"X-API-Key": only}
    async with guarded.rail.client.stream(
        "GET", path, params={"channels": "metrics"}, headers=headers
    ) as response:
        assert response.status_code == 200


async def test_only_the_system_admin_sees_across_tenants(guarded: Guarded) -> None:
    query = {"tenant": "other"}
    refused = await guarded.ask("GET", SEES_TENANTS, guarded.keys["elsewhere"], params=query)
    assert refused.status_code == 403
    assert refused.json()["details"]["permission"] == "system:admin"
    key = guarded.keys["elsewhere"]
    assert (await guarded.ask("GET", SEES_TENANTS, key, params={"tenant": "acme"})).is_success
    assert (await guarded.ask("GET", SEES_TENANTS, ADMIN_KEY, params=query)).is_success


@pytest.mark.parametrize("tenant", ["", "a|b", "a b", "x" * 65, "ü", "a\n"])
async def test_what_names_no_tenant_is_refused_before_anything_is_stored(
    guarded: Guarded, tenant: str
) -> None:
    refused = await guarded.ask("GET", SEES_TENANTS, ADMIN_KEY, params={"tenant": tenant})
    assert refused.status_code == 422
    assert "tenant" in refused.json()["detail"]
    with pytest.raises(ValueError, match="names no tenant"):
        Submission(Kind.COMMAND, Signal.NONE, b"", tenant)


async def test_metrics_are_open_on_loopback_alone(guarded: Guarded) -> None:
    assert (await guarded.ask("GET", "/metrics", None)).status_code == 401
    assert (await guarded.ask("GET", "/metrics", guarded.keys["viewer"])).is_success
    guarded.access.loopback = True
    assert (await guarded.ask("GET", "/metrics", None)).is_success


async def test_a_caller_is_held_to_its_rate(guarded: Guarded) -> None:
    key = guarded.key("slow", role="viewer", rate_per_s=1)
    path = "/api/neurorail/v1/rbac/permissions/viewer"
    first = await guarded.ask("GET", path, key)
    assert first.headers["ratelimit-policy"] == '"caller";q=2;w=2'
    assert first.headers["ratelimit"] == '"caller";r=1;t=1'
    await guarded.ask("GET", path, key)
    over = await guarded.ask("GET", path, key)
    assert over.status_code == 429
    assert over.headers["retry-after"] == "1"
    assert over.json()["code"] == "NR-E010"
    assert (await guarded.ask("GET", path, guarded.keys["viewer"])).is_success


async def test_keys_are_made_shown_once_and_revoked(guarded: Guarded) -> None:
    path = "/api/neurorail/v1/rbac/keys"
    body = {"name": "ci", "role": "operator", "expires_at": "2100-01-01T00:00:00Z"}
    made = await guarded.ask("POST", path, ADMIN_KEY, json=body)
    assert made.status_code == 201
    text, key_id = made.json()["key"], made.json()["key_id"]
    me = (await guarded.ask("GET", "/api/neurorail/v1/rbac/whoami", text)).json()
    assert (me["principal"], me["role"]) == (f"key:{key_id}", "operator")
    assert me["expires_at"] == "2100-01-01T00:00:00.000000000Z"
    listed = (await guarded.ask("GET", path, ADMIN_KEY)).text
    assert key_id in listed
    assert text not in listed
    gone = await guarded.ask("POST", f"{path}/{key_id}/revoke", ADMIN_KEY)
    assert gone.json()["revoked_at"] is not None
    again = await guarded.ask("POST", f"{path}/{key_id}/revoke", ADMIN_KEY)
    assert again.json() == gone.json()
    assert (await guarded.ask("GET", SEES_TENANTS, text)).status_code == 401
    assert (await guarded.ask("POST", f"{path}/00000000/revoke", ADMIN_KEY)).status_code == 404
    told = [msgspec.json.decode(record.body)["event"] for record in guarded.rail.inbox.records]
    assert told == ["key_created", "key_revoked", "access_denied"]


async def test_a_key_is_made_once_for_an_idempotency_key(guarded: Guarded) -> None:
    path = "/api/neurorail/v1/rbac/keys"

    async def make(name: str) -> httpx2.Response:
        headers = {"X-API-Key": ADMIN_KEY, "Idempotency-Key": "ci-1"}
        return await guarded.rail.client.post(
            path, headers=headers, json={"name": name, "role": "viewer"}
        )

    first, again = await make("ci"), await make("ci")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    named = [key["name"] for key in (await guarded.ask("GET", path, ADMIN_KEY)).json()["keys"]]
    assert named.count("ci") == 1
    assert (await make("other")).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {"role": "admin"},
        {"permissions": ["system:admin"]},
        {"role": "viewer", "tenant": "other"},
    ],
)
async def test_nobody_gives_away_what_they_do_not_have(
    guarded: Guarded, body: dict[str, Any]
) -> None:
    boss = guarded.key("boss", permissions=("manage:rbac", *ROLES["viewer"]), tenant="acme")
    path = "/api/neurorail/v1/rbac/keys"
    assert (await guarded.ask("POST", path, boss, json=body)).status_code == 403
    own = await guarded.ask("POST", path, boss, json={"role": "viewer"})
    assert own.json()["tenant"] == "acme"
    seen = (await guarded.ask("GET", path, boss)).json()["keys"]
    assert {key["tenant"] for key in seen} == {"acme"}
    theirs = guarded.access.gate.keys.match(guarded.keys["viewer"])
    assert theirs is not None
    assert (await guarded.ask("POST", f"{path}/{theirs.id}/revoke", boss)).status_code == 404


async def test_a_key_that_makes_no_sense_is_422(guarded: Guarded) -> None:
    path = "/api/neurorail/v1/rbac/keys"
    for body in ({}, {"agent": True, "role": "viewer"}, {"role": "king"}, {"rolle": "viewer"}):
        response = await guarded.ask("POST", path, ADMIN_KEY, json=body)
        assert response.status_code == 422, body


async def test_authorize_advises(guarded: Guarded) -> None:
    path = "/api/neurorail/v1/rbac/authorize"
    body = {
        "user_id": "u1",
        "role": "viewer",
        "required_permissions": ["read:audit", "write:audit"],
    }
    answer = await guarded.ask("POST", path, guarded.keys["viewer"], json=body)
    assert answer.status_code == 200
    assert answer.json() == {
        "allowed": False,
        "user_id": "u1",
        "role": "viewer",
        "required_permissions": ["read:audit", "write:audit"],
        "granted_permissions": ["read:audit"],
        "missing_permissions": ["write:audit"],
    }
    some = await guarded.ask("POST", path, ADMIN_KEY, json=body | {"require_all": False})
    assert some.json()["allowed"] is True
    for wrong in ({"role": "king"}, {"required_permissions": ["fly"]}, {"user_id": None}):
        assert (await guarded.ask("POST", path, ADMIN_KEY, json=body | wrong)).status_code == 422
    role = await guarded.ask("GET", "/api/neurorail/v1/rbac/permissions/operator", ADMIN_KEY)
    assert len(role.json()["permissions"]) == 10
    unknown = await guarded.ask("GET", "/api/neurorail/v1/rbac/permissions/king", ADMIN_KEY)
    assert unknown.status_code == 422


async def test_a_key_is_good_until_it_expires(guarded: Guarded) -> None:
    key = guarded.key("short", role="viewer", expires_unix_nano=START_UNIX_NANO + SECOND)
    assert (await guarded.ask("GET", SEES_TENANTS, key)).is_success


@pytest.mark.parametrize(
    ("name", "most"), [("viewer", 1_000), ("operator", 5_000), ("admin", 10_000), ("single", 1_000)]
)
async def test_a_role_says_how_many_rows_one_answer_may_hold(
    guarded: Guarded, name: str, most: int
) -> None:
    key = guarded.keys.get(name) or guarded.key(name, permissions=("read:audit", "read:metrics"))
    for path in ("audit/events", "usage"):
        asked = f"/api/neurorail/v1/{path}?limit="
        allowed = await guarded.ask("GET", f"{asked}{most}", key)
        assert (allowed.status_code, allowed.json()["limit"]) == (200, most)
        refused = await guarded.ask("GET", f"{asked}{most + 1}", key)
        assert refused.status_code == 422
        assert f"is above {most}" in refused.json()["detail"]
