"""Signing in at a provider, in a real browser, and everything that must not let anybody in."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx2
import pytest
from joserfc.jwk import RSAKey
from playwright.sync_api import Browser, expect
from tests.browser.conftest import Complaints, watched
from tests.end_to_end.rail import config_file, until
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider, provider_at
from tests.support.process import ServerProcess, running_server

pytestmark = pytest.mark.browser

CALLBACK = "/api/neurorail/v1/session/oidc/callback"
START = "/api/neurorail/v1/session/oidc/start"
ROLES = {"rail-admins": "admin", "rail-viewers": "viewer"}


@dataclass(frozen=True)
class Closed:
    """A server that people sign in to at a provider."""

    server: ServerProcess
    provider: Provider


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closed]:
    folder = tmp_path_factory.mktemp("oidc")
    (folder / "secret").write_text(f"{CLIENT_SECRET}\n", encoding="utf-8")
    with ExitStack() as kept:
        # Bound until the end: the provider has to know the port before the server takes it.
        holder = kept.enter_context(socket.socket())
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{holder.getsockname()[1]}"
        provider = kept.enter_context(provider_at(f"http://{address}{CALLBACK}"))
        login = {
            "client_id": CLIENT_ID,
            "client_secret_file": str(folder / "secret"),
            "redirect_uri": provider.redirect_uri,
            "name": "Example Co",
            "post_logout_uri": f"http://{address}/neurorail/",
        }
        oidc = {
            "issuer": provider.issuer,
            "audience": "neurorail-api",
            "role_claim": "realm.roles",
            "roles": ROLES,
            "login": login,
        }
        config = config_file(folder, access={"oidc": oidc})
        options = ("--config", str(config), "--api", address)
        yield Closed(kept.enter_context(running_server(folder / "data", *options)), provider)


@pytest.fixture(autouse=True)
def honest(closed: Closed) -> None:
    """A provider that behaves, before each test."""
    closed.provider.claims = {}
    closed.provider.signs_with = None


def test_a_browser_signs_in_acts_and_signs_out(browser: Browser, closed: Closed) -> None:
    pages, provider = f"{closed.server.api}/neurorail", closed.provider
    with watched(browser, Complaints(network_expected=True)) as page:
        page.goto(f"{pages}/access")
        page.get_by_role("link", name="Sign in with Example Co").click()
        page.get_by_label("User").fill("ann")
        page.get_by_role("button", name="Continue").click()
        expect(page.locator(".connection")).to_have_text("Live")
        # Back on the page that was open, with nothing of the sign-in left in the address.
        expect(page).to_have_url(f"{pages}/access")
        expect(page.locator('[data-tile="principal"]')).to_contain_text("jwt:ann")
        expect(page.locator('[data-tile="role"]')).to_contain_text("admin")
        cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
        assert set(cookies) == {"neurorail_session"}
        assert cookies["neurorail_session"]["httpOnly"]
        assert cookies["neurorail_session"]["sameSite"] == "Strict"
        # What writes, too: the page has the session's token.
        page.get_by_role("button", name="New key").click()
        page.get_by_role("dialog").get_by_label("Name").fill("made by ann")
        page.get_by_role("button", name="Make it").click()
        expect(page.locator("[data-secret]")).to_be_visible()
        page.get_by_role("button", name="Done").click()
        # Signed out at the provider too, which leads back: the page is left for it at once.
        with page.expect_response(f"{provider.issuer}/logout?*") as led:
            page.get_by_role("button", name="Sign out").click()
        assert led.value.status == 303
        page.wait_for_url(f"{pages}/")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert page.context.cookies() == []
    secrets = [form["code_verifier"] for form in provider.exchanged]
    assert secrets
    assert not any(secret in path for secret in secrets for path in provider.addresses)


@pytest.mark.parametrize(
    ("user", "answer", "says"),
    [("eve", "Continue", "have no role here"), ("ann", "Cancel", "did not let you in")],
)
def test_a_browser_that_is_refused_is_told_why(
    browser: Browser, closed: Closed, user: str, answer: str, says: str
) -> None:
    with watched(browser, Complaints(network_expected=True)) as page:
        page.goto(f"{closed.server.api}/neurorail/trace?state=failed")
        page.get_by_role("link", name="Sign in with Example Co").click()
        page.get_by_label("User").fill(user)
        page.get_by_role("button", name=answer).click()
        expect(page.get_by_role("alert")).to_contain_text(says)
        expect(page).to_have_url(f"{closed.server.api}/neurorail/trace?state=failed")
        assert page.context.cookies() == []


@dataclass
class Attempt:
    """A sign-in by hand, step by step."""

    closed: Closed
    client: httpx2.Client

    def begin(self, back_to: str = "") -> dict[str, str]:
        """Goes out; gives what the provider is asked."""
        answer = self.client.get(START, params={"back_to": back_to})
        assert answer.status_code == 303, answer.text
        where = urlsplit(answer.headers["Location"])
        assert f"{where.scheme}://{where.netloc}" == self.closed.provider.issuer
        return dict(parse_qsl(where.query))

    def signed_in(self, asked: dict[str, str], user: str = "bob") -> dict[str, str]:
        """What the provider sends the browser back with."""
        back = self.closed.provider.answer(asked | {"user": user, "answer": "yes"})
        return dict(parse_qsl(urlsplit(back).query))

    def finish(self, told: dict[str, str]) -> str:
        """Comes back; gives where it is led to."""
        answer = self.client.get(f"{CALLBACK}?{urlencode(told)}")
        assert answer.status_code == 303
        return urljoin(str(answer.request.url), answer.headers["Location"])

    def who(self) -> Any:
        """Whom the browser is now, or the status that says nobody."""
        answer = self.client.get("/api/neurorail/v1/session")
        return answer.json() if answer.status_code == 200 else answer.status_code


@pytest.fixture
def attempt(closed: Closed) -> Iterator[Attempt]:
    with httpx2.Client(base_url=closed.server.api, timeout=60) as client:
        yield Attempt(closed, client)


def test_what_is_asked_is_fresh_each_time_and_exact(attempt: Attempt) -> None:
    first, second = attempt.begin(), attempt.begin()
    assert first["redirect_uri"] == attempt.closed.provider.redirect_uri
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) >= 32
        assert first[name] != second[name]
    attempt.finish(attempt.signed_in(second))
    who = attempt.who()
    assert (who["principal"], who["role"]) == ("jwt:bob", "viewer")
    assert who["csrf_token"]


def test_another_state_or_issuer_is_foreign(attempt: Attempt) -> None:
    told = attempt.signed_in(attempt.begin())
    for wrong in ({"state": "x"}, {"iss": "https://elsewhere.example"}, {"code": ""}):
        attempt.begin()
        assert attempt.finish(told | wrong).endswith("#refused=foreign")
        assert attempt.who() == 401


def test_a_code_serves_once_and_in_its_browser_alone(attempt: Attempt, closed: Closed) -> None:
    told = attempt.signed_in(attempt.begin())
    with httpx2.Client(base_url=closed.server.api, timeout=60) as other:
        victim = Attempt(closed, other)
        assert victim.finish(told).endswith("#refused=expired")
        asked = victim.begin()
        # An attacker's code under the victim's own state: the code's challenge is another.
        assert victim.finish(told | {"state": asked["state"]}).endswith("#refused=provider")
        assert victim.who() == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"aud": "neurorail-api"},
        {"azp": "another", "aud": [CLIENT_ID, "another"]},
        {"iss": "https://elsewhere.example"},
        {"exp": 1},
    ],
    ids=lambda claims: next(iter(claims)),
)
def test_a_token_that_is_not_for_this_sign_in_is_not_believed(
    attempt: Attempt, claims: dict[str, Any]
) -> None:
    attempt.closed.provider.claims = claims
    assert attempt.finish(attempt.signed_in(attempt.begin())).endswith("#refused=token")
    assert attempt.who() == 401


def test_a_token_under_another_key_is_not_believed(attempt: Attempt) -> None:
    attempt.closed.provider.signs_with = RSAKey.generate_key(2048, {"kid": "k1"})
    assert attempt.finish(attempt.signed_in(attempt.begin())).endswith("#refused=token")


@pytest.mark.parametrize(
    "place", ["https://elsewhere.example", "//elsewhere.example", "../../x", "trace#x", "a\\b"]
)
def test_one_comes_back_to_the_pages_alone(attempt: Attempt, place: str) -> None:
    where = attempt.finish(attempt.signed_in(attempt.begin(place)))
    assert where == f"{attempt.closed.server.api}/neurorail/"


def test_denied_sign_ins_are_on_record(attempt: Attempt) -> None:
    attempt.finish(attempt.signed_in(attempt.begin(), "eve"))
    attempt.finish(attempt.signed_in(attempt.begin(), "ann"))

    def denied() -> list[dict[str, Any]]:
        path, asked = "/api/neurorail/v1/audit/events", {"event_type": "access_denied"}
        events: list[dict[str, Any]] = attempt.client.get(path, params=asked).json()["events"]
        of = "/session/oidc/callback"
        return events if any(of in event["details"]["operation"] for event in events) else []

    events = until("a denied sign-in is on record", denied)
    assert "code_verifier" not in json.dumps(events)
