"""Tokens of an OpenID Connect provider: which are believed, and what they grant."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from tests.support.issuer import EC, ISSUER, NOW_S, RSA, Issuer, token

from neurorail.collector.access import Denial, Provider, Tokens
from neurorail.collector.access.permissions import ROLES
from neurorail.collector.access.tokens import fetch_json

NOW = NOW_S * 1_000_000_000


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(RSA, EC)


@pytest.fixture
async def tokens(issuer: Issuer) -> Tokens:
    made = issuer.tokens()
    await made.prepare(token())
    return made


async def test_a_token_is_a_principal_with_its_role(tokens: Tokens) -> None:
    for text in (token(), token(EC, "ES256")):
        found = tokens.check(text, NOW)
        assert not isinstance(found, Denial)
        assert (found.name, found.tenant, found.role) == ("jwt:ann", "default", "viewer")
        assert found.permissions == frozenset(ROLES["viewer"])
        assert found.expires_unix_nano == (NOW_S + 60) * 1_000_000_000
        assert not found.agent


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"roles": "operator"}, "operator"),
        ({"roles": ["viewer", "admin"]}, "admin"),
        ({"roles": ["guest"]}, None),
        ({"roles": None}, None),
        ({"roles": {"admin": True}}, None),
    ],
)
async def test_roles_are_those_that_are_mapped(
    tokens: Tokens, claims: dict[str, Any], role: str | None
) -> None:
    found = tokens.check(token(**claims), NOW)
    assert not isinstance(found, Denial)
    assert found.role == role
    assert found.permissions == frozenset(ROLES[role] if role else ())


async def test_claims_may_lie_deeper_and_name_the_tenant(issuer: Issuer) -> None:
    made = issuer.tokens(
        role_claim="realm.roles",
        roles={"ops": "operator"},
        tenant_claim="org",
        algorithms=("RS256",),
    )
    text = token(realm={"roles": ["ops"]}, org="acme")
    await made.prepare(text)
    found = made.check(text, NOW)
    assert not isinstance(found, Denial)
    assert (found.tenant, found.role) == ("acme", "operator")
    for org in (None, "", "a|b", 3, "x" * 65):
        assert isinstance(made.check(token(org=org), NOW), Denial)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://other.example"}, "unknown"),
        ({"aud": "somebody else"}, "unknown"),
        ({"aud": ["a", "b"]}, "unknown"),
        ({"exp": NOW_S - 31}, "expired"),
        ({"exp": None}, "unknown"),
        ({"sub": None}, "unknown"),
        ({"nbf": NOW_S + 60}, "unknown"),
    ],
)
async def test_claims_that_do_not_fit(tokens: Tokens, claims: dict[str, Any], reason: str) -> None:
    found = tokens.check(token(**claims), NOW)
    assert isinstance(found, Denial)
    assert found.reason == reason


async def test_an_audience_may_be_one_of_several(tokens: Tokens) -> None:
    assert not isinstance(tokens.check(token(aud=["neurorail", "b"]), NOW), Denial)
    assert not isinstance(tokens.check(token(exp=NOW_S - 29), NOW), Denial), (
        "clocks differ a little"
    )


async def test_only_the_providers_signature_counts(tokens: Tokens) -> None:
    stranger = RSAKey.generate_key(2048, {"kid": "r1"})
    secret = OctKey.import_key("a secret that everybody may know, as if it were a public key")
    unsigned = "eyJhbGciOiJub25lIn0." + token().split(".")[1] + "."
    for text in (
        token(stranger),
        jwt.encode({"alg": "HS256", "kid": "r1"}, {"iss": ISSUER}, secret, algorithms=["HS256"]),
        unsigned,
        token()[:-4] + "AAAA",
        "a.b.c",
        "",
        "x" * 20_000,
    ):
        assert isinstance(tokens.check(text, NOW), Denial)
    with pytest.raises(ValueError, match="'HS256' is none of"):
        Provider(ISSUER, "neurorail", algorithms=("HS256",))
    ps = token(RSA, "PS256")
    assert isinstance(tokens.check(ps, NOW), Denial), "not one of the allowed algorithms"


async def test_keys_are_fetched_once_and_again_when_they_are_old(issuer: Issuer) -> None:
    made = issuer.tokens()
    for _ in range(3):
        await made.prepare(token())
    assert len(issuer.asked) == 2, "the configuration, then the keys"
    issuer.now_s = 301
    await made.prepare(token())
    assert len(issuer.asked) == 4


async def test_a_new_key_of_the_provider_is_found_but_not_for_everybody_who_asks(
    issuer: Issuer,
) -> None:
    made = issuer.tokens(jwks_url=f"{ISSUER}/keys")
    await made.prepare(token())
    new = RSAKey.generate_key(2048, {"kid": "r2"})
    text = token(new)
    issuer.keys.append(new)
    await made.prepare(text)
    assert isinstance(made.check(text, NOW), Denial), "fetched a moment ago"
    issuer.now_s = 11
    await made.prepare(text)
    assert not isinstance(made.check(text, NOW), Denial)
    for number in range(50):
        await made.prepare(token(new, kid=f"made-up-{number}"))
    assert len(issuer.asked) == 2
    await made.prepare("no token at all")
    assert len(issuer.asked) == 2


async def test_a_provider_that_is_down_keeps_the_keys_that_are_known(issuer: Issuer) -> None:
    made = issuer.tokens()
    issuer.down = True
    await made.prepare(token())
    assert isinstance(made.check(token(), NOW), Denial)
    issuer.down, issuer.now_s = False, 11
    await made.prepare(token())
    issuer.down, issuer.now_s = True, 400
    await made.prepare(token())
    assert not isinstance(made.check(token(), NOW), Denial)


async def test_another_issuers_configuration_is_not_believed(issuer: Issuer) -> None:
    def fetch(url: str) -> bytes:
        return json.dumps({"issuer": "https://evil.example", "jwks_uri": "https://x/y"}).encode()

    made = Tokens(Provider(ISSUER, "neurorail"), lambda: 0.0, fetch)
    await made.prepare(token())
    assert isinstance(made.check(token(), NOW), Denial)


def test_keys_are_only_fetched_over_tls() -> None:
    with pytest.raises(ValueError, match="is no https address"):
        Provider("http://idp.example", "a")
    with pytest.raises(ValueError, match="is no https address"):
        Provider(ISSUER, "a", jwks_url="file:///etc/passwd")
    with pytest.raises(ValueError, match="role 'king' is none of"):
        Provider(ISSUER, "a", roles={"x": "king"})
    Provider("http://127.0.0.1:1", "a")


@contextmanager
def serving(content: bytes, status: int = 200, **headers: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_is_fetched_has_limits() -> None:
    with serving(b"{}") as url:
        assert fetch_json(url) == b"{}"
    with serving(b"x" * ((1 << 20) + 1)) as url, pytest.raises(ValueError, match="more than"):
        fetch_json(url)
    with (
        serving(b"", 302, location="http://127.0.0.1:1/") as url,
        pytest.raises(OSError, match="302"),
    ):
        fetch_json(url)
