"""Signing in, keys and the audit page, on a whole server that is closed by its first key."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.conftest import Complaints, watched
from tests.browser.looking import in_address, leave_sheet
from tests.end_to_end.rail import Rail, config_file, until
from tests.support.process import running_server

pytestmark = pytest.mark.browser

STATES = "[data-key-state]"


@pytest.fixture
def rail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rail]:
    """A server without credentials, of one test's own."""
    folder = tmp_path_factory.mktemp("access")
    # Nothing but what a test does is on record.
    config = config_file(folder, metrics={"snapshot_interval_s": 0})
    with running_server(folder / "data", "--config", str(config)) as server:
        yield Rail(server)


def new_key(page: Page, name: str, kind: str) -> str:
    """Makes a key on the page; gives the key, which is shown once."""
    page.get_by_role("button", name="New key").click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Name").fill(name)
    sheet.get_by_label("It may").select_option(kind)
    sheet.get_by_role("button", name="Make it").click()
    secret = sheet.locator("[data-secret]").inner_text()
    assert re.fullmatch(r"nrk_\S{20,}", secret)
    sheet.get_by_role("button", name="Done").click()
    expect(page.locator("[data-secret]")).to_have_count(0)
    expect(page.locator(STATES).get_by_text(name, exact=True)).to_be_visible()
    assert secret not in page.content()
    return secret


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_the_first_key_closes_the_server_and_keys_open_the_pages(
    browser: Browser, rail: Rail
) -> None:
    address = f"{rail.server.api}/neurorail"
    expected = Complaints(network_expected=True)
    with watched(browser, expected) as admin, watched(browser, expected) as other:
        admin.goto(f"{address}/access")
        expect(admin.locator('[data-tile="open"]')).to_contain_text("to whoever is on its machine")
        owner = new_key(admin, "me", "admin")
        expect(admin.locator('[data-tile="open"]')).to_contain_text("asks for keys")
        reader = new_key(admin, "reader", "viewer")
        admin.reload()
        expect(admin.locator(STATES)).to_have_count(2)
        expect(admin.locator(".connection")).to_have_text("Live")
        acts = admin.locator('[data-panel="acts"] .list-row')
        expect(acts).to_have_count(2)
        # The first key was made by nobody that is known, the second by the first.
        expect(acts.first).to_contain_text("me")
        expect(acts.first).to_contain_text("key created")

        other.goto(address)
        expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
        sign_in(other, "nrk_wrong")
        expect(other.get_by_role("alert")).to_be_visible()
        sign_in(other, reader)
        expect(other.locator(".connection")).to_have_text("Live")
        other.goto(f"{address}/access")
        expect(other.locator('[data-tile="role"]')).to_contain_text("viewer")
        expect(other.locator('[data-panel="keys"]')).to_contain_text("Not for this key")
        expect(other.get_by_role("button", name="New key")).to_have_count(0)
        expect(other.locator('[data-panel="denials"] .list-row').first).to_be_visible()

        made = httpx2.post(
            f"{rail.server.api}/api/neurorail/v1/identity/mission",
            json={"budget": {"max_tokens": 10}},
            headers={"X-API-Key": owner},
            timeout=60,
        )
        raises = f"Raise the tokens limit of mission {made.json()['entity_id']}"
        for page, buttons in ((admin, 1), (other, 0)):
            page.goto(f"{address}/budget")
            expect(page.locator("[data-panel=near] .use")).to_have_count(1)
            expect(page.get_by_role("button", name=raises)).to_have_count(buttons)
        admin.goto(f"{address}/access")

        admin.get_by_role("button", name="Revoke reader").click()
        admin.get_by_role("button", name="Revoke", exact=True).click()
        expect(admin.locator('[data-key-state="revoked"]')).to_have_count(1)
        other.reload()
        expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
        admin.get_by_role("button", name="Sign out").click()
        expect(admin.get_by_role("heading", name="Sign in")).to_be_visible()
        assert admin.evaluate("localStorage.length + sessionStorage.length") == 0
        assert admin.context.cookies() == []


def test_the_audit_page_searches_and_verifies(rail: Rail, deck: Page) -> None:
    deck.goto(f"{rail.server.api}/neurorail/audit")
    rows = deck.locator('[data-panel="audit"] .list-row')
    until("the list is the trail", lambda: rows.count() == rail.get("/audit/events")["total"])
    deck.get_by_role("searchbox", name="Event type").fill("prices_loaded")
    deck.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    in_address(deck, "type=prices_loaded")
    rows.first.click()
    expect(deck.get_by_role("dialog")).to_contain_text("sha256")
    leave_sheet(deck)
    deck.get_by_role("button", name="Verify the chain").click()
    verified = deck.locator('[data-panel="verification"]')
    expect(verified).to_have_attribute("data-verified", "true")
    expect(verified).to_contain_text("The chain holds.")
