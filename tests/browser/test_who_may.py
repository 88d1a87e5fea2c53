"""Controls are there for whoever may use them, and for nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, expect
from tests.browser.conftest import Complaints, watched
from tests.support.process import ServerProcess, running_server

from neurorail.collector.access.permissions import ROLES

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CONTROLS = {
    "reflex": [
        ("Kill switch…", "execute:reflex"), ("Suspend…", "execute:reflex"),
        ("Open a circuit…", "execute:reflex"), ("Lift…", "execute:reflex"),
        ("Close", "execute:reflex"),
    ],
    "governor": [
        ("New", "manage:governor"), ("Approve…", "manage:governor"), ("Deny…", "manage:governor"),
    ],
    "governor?backtest=none": [("New backtest", "manage:governor")],
    "budget": [("Raise the tokens limit of mission {mission}", "manage:enforcement")],
    "access": [("New key", "manage:rbac"), ("Revoke viewer", "manage:rbac")],
}  # fmt: skip
"""What is on each page, and the permission that it takes."""


DOCS = Path(__file__).parents[2] / "docs" / "manifests"


class Closed:
    """A server with a key for each role, and with something for each control to act on."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.keys = {
            "admin": self.post("neurorail/v1/rbac/keys", name="admin", role="admin")["key"]
        }
        for role in ("operator", "viewer"):
            made = self.post("neurorail/v1/rbac/keys", name=role, role=role)
            self.keys[role] = made["key"]
        mission = self.post("neurorail/v1/identity/mission", budget={"max_tokens": 10})
        self.mission = mission["entity_id"]
        self.post("neurorail/v1/reflex/kill", scope={"agent": "runaway"}, reason="a test")
        self.post("neurorail/v1/reflex/open", scope={"model": "m-1"}, reason="a test")

    def post(self, path: str, **body: Any) -> Any:
        headers = {"X-API-Key": self.keys["admin"]} if hasattr(self, "keys") else {}
        answer = httpx2.post(
            f"{self.server.api}/api/{path}", json=body, headers=headers, timeout=60
        )
        assert answer.status_code in (200, 201), answer.text
        return answer.json()


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closed]:
    with running_server(tmp_path_factory.mktemp("may") / "data") as server:
        found = Closed(server)
        source = (DOCS / "personal-data.yaml").read_text(encoding="utf-8")
        version = found.post("governor/v1/manifests", source=source)["version"]
        for action in ("shadow", "activate"):
            path = f"governor/v1/manifests/{version}/{action}"
            found.post(path, reason="a test", force=action == "activate")
        context = {"uses_personal_data": True, "external_dependency": True}
        found.post("governor/v1/decide", job_type="llm_call", context=context)
        yield found


@pytest.mark.parametrize("role", ["admin", "operator", "viewer"])
def test_each_control_is_for_whoever_may(browser: Browser, closed: Closed, role: str) -> None:
    may = ROLES[role]
    with watched(browser, Complaints(network_expected=True)) as page:
        page.goto(f"{closed.server.api}/neurorail/")
        page.get_by_label("Key").fill(closed.keys[role])
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator(".connection")).to_have_text("Live")
        seen = 0
        for path, controls in CONTROLS.items():
            page.goto(f"{closed.server.api}/neurorail/{path}")
            expect(page.locator(".connection")).to_have_text("Live")
            expect(page.locator(".skeleton")).to_have_count(0)
            for name, needed in controls:
                control = page.get_by_role(
                    "button", name=name.format(mission=closed.mission), exact=True
                )
                if needed in may:
                    expect(control.first).to_be_visible()
                    seen += 1
                else:
                    expect(control).to_have_count(0)
        assert (seen == 0) == (role == "viewer")


def test_a_page_that_is_not_for_a_key_says_so(browser: Browser, closed: Closed) -> None:
    made = closed.post(
        "neurorail/v1/rbac/keys", name="few", permissions=["read:lifecycle", "stream:events"]
    )
    with watched(browser, Complaints(network_expected=True)) as page:
        page.goto(f"{closed.server.api}/neurorail/audit")
        page.get_by_label("Key").fill(made["key"])
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator('[data-forbidden="read:audit"]')).to_contain_text("Not for this key")
        expect(page.get_by_role("link", name="Audit", exact=True)).to_have_count(0)
        expect(page.locator(".connection")).to_have_text("Live")
