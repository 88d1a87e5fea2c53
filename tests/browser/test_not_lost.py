"""What a reader types, opens and is shown once is not lost, whatever happens meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from tests.browser.conftest import Complaints
from tests.browser.fake_rail import FakeRail, Served
from tests.browser.looking import in_address, leave_sheet
from tests.browser.scenes import a_mission
from tests.end_to_end.rail import until

from neurorail.collector.access.permissions import ROLES

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("path", "label", "panel"),
    [
        ("", "Entity id", "events"),
        ("audit", "Entity id", "audit"),
        ("audit", "Event type", "audit"),
    ],
)
def test_what_is_being_typed_outlives_events(
    page: Page, served: Served, rail: FakeRail, path: str, label: str, panel: str
) -> None:
    a_mission(rail)
    page.goto(f"{served.address}/neurorail/{path}")
    note = page.locator(f"[data-panel={panel}] .panel-note")
    expect(note).to_have_attribute("data-count", "15")
    field = page.get_by_label(label)
    field.press_sequentially("ab")
    # Of a type that the page has not heard of: its filters are drawn anew.
    rail.publish("agent_connected", "m_alpha")
    expect(note).to_have_attribute("data-count", "16")
    expect(field).to_have_value("ab")
    field.press_sequentially("c")
    field.press("Enter")
    in_address(page, "=abc")
    expect(field).to_have_value("abc")


def test_a_question_stays_open_when_the_one_before_it_is_answered(
    page: Page, served: Served
) -> None:
    drafts: list[dict[str, Any]] = [
        {"version": version, "name": version, "state": "draft", "unmet": []}
        for version in ("one", "two")
    ]
    active = {"version": "default-1", "sha256": "0" * 64}
    asked: list[Route] = []
    page.route(
        "**/governor/v1/manifests",
        lambda route: route.fulfill(json={"manifests": drafts, "active": active}),
    )
    page.route("**/governor/v1/manifests/*/shadow", lambda route: asked.append(route))
    page.goto(f"{served.address}/neurorail/governor")
    sheet = page.get_by_role("dialog")
    for number, version in enumerate(("one", "two"), start=1):
        row = page.locator(f"[data-manifest={version}]")
        row.get_by_role("button", name="Shadow…").click()
        expect(sheet).to_contain_text(f"Shadow {version}")
        if number == 1:
            sheet.get_by_role("button", name="Evaluate as shadow").click()
            until("the first is asked for", lambda: asked)
            leave_sheet(page)
    with page.expect_response("**/manifests/one/shadow"):
        asked[0].fulfill(json={})
    sheet.get_by_role("textbox", name="Reason").fill("why not")
    sheet.get_by_role("button", name="Evaluate as shadow").click()
    until("the second is asked for", lambda: len(asked) == 2)
    asked[1].fulfill(json={})
    expect(sheet).to_have_count(0)


def test_the_first_key_is_shown_however_long_its_session_takes(
    page: Page, served: Served, rail: FakeRail, complaints: Complaints
) -> None:
    complaints.network_expected = True
    made: list[Any] = []
    begins: list[Route] = []
    begun = False

    def answer(route: Route) -> None:
        """An open server that its first key closes."""
        asked = route.request
        if asked.method == "POST" and asked.url.endswith("/rbac/keys"):
            made.append(asked.post_data_json)
            route.fulfill(json={"key": "nrk_the_first"})
        elif asked.method == "POST" and asked.url.endswith("/v1/session"):
            begins.append(route)
        elif made and not begun:
            route.fulfill(status=401, json={"detail": "a key is needed"})
        else:
            route.continue_()

    page.clock.install()
    page.goto(f"{served.address}/neurorail/access")
    page.route("**/api/**", answer)
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name").fill("me")
    page.get_by_label("It may").select_option("admin")
    page.get_by_role("button", name="Make it").click()
    secret = page.locator("[data-secret]")
    expect(secret).to_have_text("nrk_the_first")
    until("its session is asked for", lambda: begins)
    with page.expect_response(lambda answer: answer.status == 401):
        a_mission(rail)
        page.clock.run_for(2_000)
    page.clock.run_for(60_000)
    reader = {"principal": "key:k_1", "tenant": "default", "role": "admin", "expires_at": None}
    begun = True
    begins[0].fulfill(json={**reader, "permissions": list(ROLES["admin"]), "csrf_token": "t"})
    expect(page.locator("button.reader")).to_be_visible()
    expect(secret).to_have_text("nrk_the_first")
