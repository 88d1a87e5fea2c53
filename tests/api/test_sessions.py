"""A browser's session and its CSRF token, stream tickets, bearer tokens, streams that end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from joserfc.jwk import KeySet
from tests.support.events import START_UNIX_NANO
from tests.support.issuer import ISSUER, RSA, Issuer, token
from tests.support.rail import AnsweringInbox, Rail, open_access, running_rail

from neurorail.api import ApiConfig, sse
from neurorail.api.access import SESSION_COOKIE, Access
from neurorail.collector.access import Credentials, Gate, NewKey, Provider, Sessions, Tokens
from neurorail.collector.access.sessions import SESSION, TICKET

ADMIN_KEY = "an admin's key of 32 characters or more"
API = "/api/neurorail/v1"
NANOS = 1_000_000_000


class Clock:
    unix_nano = START_UNIX_NANO


class Guarded:
    """An API with credentials, sessions and a provider of tokens."""

    def __init__(self, rail: Rail, access: Access, clock: Clock) -> None:
        self.rail = rail
        self.access = access
        self.clock = clock

    async def begin(self, key: str = ADMIN_KEY) -> httpx2.Response:
        return await self.rail.client.post(f"{API}/session", headers={"X-API-Key": key})


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Guarded]:
    clock = Clock()
    inbox = AnsweringInbox()
    access = open_access(inbox, tmp_path / "keys.json")
    issuer = Issuer(RSA)
    tokens = Tokens(Provider(ISSUER, "neurorail"), lambda: 0.0, issuer.fetch)
    gate = Gate(access.gate.keys, lambda: clock.unix_nano, Credentials(ADMIN_KEY), bearer=tokens)
    access = replace(
        access,
        gate=gate,
        loopback=False,
        sessions=Sessions(b"s" * 32, gate),
        clock=lambda: clock.unix_nano,
    )
    async with running_rail(ApiConfig(port=0), access=access, inbox=inbox) as rail:
        yield Guarded(rail, access, clock)


async def test_a_session_reads_and_writes_with_its_token(guarded: Guarded) -> None:
    begun = await guarded.begin()
    assert begun.status_code == 201
    cookie = begun.headers["set-cookie"]
    for attribute in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"):
        assert attribute in cookie
    client = guarded.rail.client  # It keeps the cookie, as a browser does.
    assert (await client.get(f"{API}/rbac/whoami")).json()["principal"] == "admin-key"
    body = {"role": "viewer"}
    refused = await client.post(f"{API}/rbac/keys", json=body)
    assert refused.status_code == 403
    assert "X-CSRF-Token" in refused.json()["detail"]
    for wrong in (b"", b"x", b"\xfc"):
        given = {b"X-CSRF-Token": wrong}
        answer = await client.post(f"{API}/rbac/keys", json=body, headers=given)
        assert answer.status_code == 403
    headers = {"X-CSRF-Token": begun.json()["csrf_token"]}
    assert (await client.post(f"{API}/rbac/keys", json=body, headers=headers)).status_code == 201
    await client.post(f"{API}/session/end")
    assert (await client.get(f"{API}/rbac/whoami")).status_code == 401


async def test_a_session_ends_with_its_key(guarded: Guarded) -> None:
    keys = guarded.access.gate.keys
    key, text = keys.create(NewKey(role="viewer"), "test")
    assert (await guarded.begin(text)).json()["role"] == "viewer"
    whoami = f"{API}/rbac/whoami"
    assert (await guarded.rail.client.get(whoami)).status_code == 200
    keys.revoke(key.id)
    gone = await guarded.rail.client.get(whoami)
    assert gone.status_code == 401
    assert gone.json()["details"]["reason"] == "revoked"


async def test_a_session_is_over_after_its_time_and_never_outlives_its_key(
    guarded: Guarded,
) -> None:
    expires = START_UNIX_NANO + 60 * NANOS
    _, text = guarded.access.gate.keys.create(
        NewKey(role="viewer", expires_unix_nano=expires), "test"
    )
    assert "Max-Age=60" in (await guarded.begin(text)).headers["set-cookie"]
    guarded.clock.unix_nano += 61 * NANOS
    late = await guarded.rail.client.get(f"{API}/rbac/whoami")
    assert (late.status_code, late.json()["details"]["reason"]) == (401, "expired")


async def test_a_changed_session_is_none(guarded: Guarded) -> None:
    await guarded.begin()
    text = guarded.rail.client.cookies[SESSION_COOKIE]
    body, mac = text.split(".")
    for wrong in (body, f"{body}.", f"{body}x.{mac}", f"{body}.{mac[:-2]}", "\xfc", "a.b.c", "."):
        headers = {b"Cookie": f"a=b; {SESSION_COOKIE}={wrong}".encode("latin-1")}
        async with httpx2.AsyncClient(base_url=guarded.rail.client.base_url, timeout=60) as client:
            assert (await client.get(f"{API}/rbac/whoami", headers=headers)).status_code == 401


async def test_who_is_gone_from_the_configuration_has_no_session(guarded: Guarded) -> None:
    other = Gate(guarded.access.gate.keys, lambda: START_UNIX_NANO)
    sessions = Sessions(b"s" * 32, guarded.access.gate)
    admin = guarded.access.gate.identify(ADMIN_KEY)
    for principal in (admin, other.authenticate({})):
        text = sessions.issue(SESSION, principal, START_UNIX_NANO, 60).text  # type: ignore[arg-type]
        found = Sessions(b"s" * 32, other).read(SESSION, text, START_UNIX_NANO)
        assert not isinstance(found, tuple), "neither the admin key nor an open server is there now"


async def test_agents_and_limited_keys_begin_no_session(guarded: Guarded) -> None:
    keys = guarded.access.gate.keys
    for may in ({"agent": True}, {"role": "viewer", "missions": ("m_1",)}):
        _, text = keys.create(NewKey(**may), "test")
        assert (await guarded.begin(text)).status_code == 403


async def test_an_open_server_needs_no_session(rail: Rail) -> None:
    assert (await rail.client.post(f"{API}/session")).status_code == 409
    assert (await rail.client.post(f"{API}/stream/tickets")).status_code == 409


async def test_a_ticket_opens_a_stream_and_nothing_else(guarded: Guarded) -> None:
    headers = {"X-API-Key": ADMIN_KEY}
    made = await guarded.rail.client.post(f"{API}/stream/tickets", headers=headers)
    assert made.status_code == 201
    query = {"ticket": made.json()["ticket"]}
    events = f"{API}/stream/events"
    async with guarded.rail.client.stream("GET", events, params=query) as response:
        assert response.status_code == 200
    assert (await guarded.rail.client.get(f"{API}/missions", params=query)).status_code == 401
    guarded.clock.unix_nano += 61 * NANOS
    late = await guarded.rail.client.get(events, params=query)
    assert (late.status_code, late.json()["details"]["reason"]) == (401, "expired")
    assert (await guarded.rail.client.get(events, params={"ticket": "x"})).status_code == 401


def test_a_session_is_no_ticket(tmp_path: Path) -> None:
    gate = Gate(open_access(AnsweringInbox(), tmp_path / "k").gate.keys, lambda: START_UNIX_NANO,
                Credentials(ADMIN_KEY))  # fmt: skip
    sessions = Sessions(b"s" * 32, gate)
    admin = gate.identify(ADMIN_KEY)
    text = sessions.issue(SESSION, admin, START_UNIX_NANO, 60).text  # type: ignore[arg-type]
    assert not isinstance(sessions.read(TICKET, text, START_UNIX_NANO), tuple)


async def test_a_bearer_token_is_a_caller(guarded: Guarded) -> None:
    guarded.clock.unix_nano = 1_700_000_000 * NANOS
    good = {"Authorization": f"Bearer {token(roles='operator')}"}
    me = await guarded.rail.client.get(f"{API}/rbac/whoami", headers=good)
    assert (me.json()["principal"], me.json()["role"]) == ("jwt:ann", "operator")
    wrong = {"Authorization": f"Bearer {token(aud='somebody else')}"}
    assert (await guarded.rail.client.get(f"{API}/rbac/whoami", headers=wrong)).status_code == 401
    viewer = {"Authorization": f"Bearer {token()}"}
    assert (await guarded.rail.client.get(f"{API}/rbac/keys", headers=viewer)).status_code == 403
    assert KeySet([RSA]).keys


async def test_a_stream_ends_with_its_credential(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "LOOK_S", 0.01)
    keys = guarded.access.gate.keys
    key, text = keys.create(NewKey(role="viewer"), "test")
    client, headers = guarded.rail.client, {"X-API-Key": text}
    async with client.stream("GET", f"{API}/stream/events", headers=headers) as response:
        assert response.status_code == 200
        keys.revoke(key.id)
        async with asyncio.timeout(60):
            async for _ in response.aiter_bytes():
                pass  # Until the server ends it.
