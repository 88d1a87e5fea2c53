"""The ControlDeck under Node's tools: types, the vendored build, and accessibility."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Complaints
from tests.browser.fake_rail import FakeRail, Served
from tests.browser.scenes import a_mission
from tests.support.needed import not_here

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "api" / "vendor"

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def modules() -> Path:
    """The locked packages, installed if they are not."""
    npm = shutil.which("npm")
    if npm is None:
        not_here("no npm on the path")
    # Tests run side by side: npm takes everything away first, under whoever reads it meanwhile.
    with (SOURCE / "package.json").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        installed = SOURCE / "node_modules" / ".package-lock.json"
        lock = SOURCE / "package-lock.json"
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            done = subprocess.run(
                [npm, "ci", "--no-audit", "--no-fund"],
                cwd=SOURCE,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                not_here(f"`npm ci` cannot install the locked packages: {done.stderr[-500:]}")
            installed.touch()
    return SOURCE / "node_modules"


def test_modules_pass_the_type_checker(modules: Path) -> None:
    done = subprocess.run(
        [modules / ".bin" / "tsc", "-p", "tsconfig.json"],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.usefixtures("modules")
def test_vendored_files_are_what_the_lock_file_builds() -> None:
    script = ROOT / "scripts" / "vendor_controldeck.py"
    done = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


RAISE = "Raise the tokens limit of mission m_open"
LIMIT = {
    "kind": "tokens", "limit": 100, "consumed": 90, "held": 5, "left": 5, "rule_id": "own_budget",
    "severity": "enforce",
}  # fmt: skip
PAGES = {
    "": "[data-mission]",
    "trace": "[data-mission]",
    "trace?mission=m_fail": "[data-entity]",
    "trace?mission=m_fail&compare=m_timeout": "[data-measure]",
    "lifecycle": "[data-panel=moves] .list-row",
    "budget": "[data-violation]",
    "reflex": "[data-panel=breakers] .nothing",
    "governor": "[data-panel=manifests] .nothing",
    "audit": "[data-panel=audit] .list-row",
    "access": "[data-panel=keys] .nothing",
}
"""What is there when a page has drawn itself."""


def press(name: str) -> Callable[[Page], None]:
    """What opens something: one press."""
    return lambda page: page.get_by_role("button", name=name, exact=True).first.click()


def tab(name: str) -> Callable[[Page], None]:
    """The same of a tab."""
    return lambda page: page.locator(f"[data-tab={name}]").click()


OPEN: dict[str, tuple[str, Callable[[Page], None], str]] = {
    "event": ("", lambda page: page.locator(".event").first.click(), "dialog .event-full"),
    "keys": ("", lambda page: page.keyboard.press("?"), "dialog kbd"),
    "filtered": ("?type=resumed", lambda _: None, ".stream .nothing"),
    "burn-down": (
        "budget",
        lambda page: page.locator(".use-open").first.click(),
        ".burn-down canvas",
    ),
    "raise": ("budget", press(RAISE), "dialog form"),
    "pools": ("budget", tab("pools"), ".near .nothing"),
    "kill switch": ("reflex", press("Kill switch…"), "dialog form"),
    "circuit": ("reflex", press("Open a circuit…"), "dialog form"),
    "agents": ("reflex", tab("agents"), ".moves .nothing"),
    "manifest": ("governor", press("New"), "dialog form"),
    "backtests": ("governor", tab("backtests"), ".moves .nothing"),
    "rejected": ("lifecycle", tab("rejected"), ".moves .nothing"),
    "transitions": ("trace?mission=m_fail", tab("transitions"), ".steps li"),
    "events": ("trace?mission=m_fail", tab("events"), ".inspector .event"),
    "spans": ("trace?mission=m_fail", tab("spans"), ".inspector .nothing"),
    "all missions": ("trace?all=1", lambda _: None, "[data-mission]"),
    "checkpoints": (
        "audit?view=checkpoints",
        lambda _: None,
        "[data-panel=checkpoints] [role=alert]",
    ),
    "bundle": ("audit?view=bundle", lambda _: None, "[data-panel=bundle] form"),
    "key": ("access", press("New key"), "dialog form"),
}
"""What can be open on a page: where, how, and what is there then."""


@pytest.fixture
def axe(modules: Path) -> str:
    """What looks for violations."""
    return (modules / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def judged(page: Page, axe: str, where: str) -> None:
    """Nothing on the page breaks a rule of accessibility."""
    page.evaluate(axe)
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 10
    assert [
        (where, rule["id"], node["target"], node["failureSummary"])
        for rule in found["violations"]
        for node in rule["nodes"]
    ] == []


def a_busy_rail(rail: FakeRail) -> None:
    """Missions in every state."""
    for end in ("succeed", "fail", "timeout", "cancel"):
        resource = a_mission(rail, f"m_{end}")
        rail.spend(resource, 100, 50, 0.01)
        rail.publish("budget_violation", resource, violation_type="tokens", limit=1, consumed=2)
        rail.move(f"a_{end}", end)
        rail.move(f"m_{end}", end)
    rail.create("mission", "m_pending", agent="waiting")
    rail.create("mission", "m_queued", agent="waiting")
    rail.move("m_queued", "enqueue")
    rail.entities["m_fail"].flags.append("over_budget")
    rail.entities["m_fail"].own["budget"] = {"max_tokens": 200}


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_no_page_has_an_accessibility_violation(
    axe: str, page: Page, served: Served, rail: FakeRail, scheme: Any
) -> None:
    a_busy_rail(rail)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for path, drawn in PAGES.items():
        page.goto(f"{served.address}/neurorail/{path}")
        expect(page.locator(drawn).first).to_be_visible()
        expect(page.locator(".connection")).to_have_text("Live")
        judged(page, axe, path)


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_page_of_the_api_has_no_accessibility_violation(
    axe: str, page: Page, served: Served, scheme: Any
) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.goto(f"{served.address}/neurorail/docs")
    page.locator("details.operation summary").first.click()
    expect(page.locator(".source").first).to_be_visible()
    judged(page, axe, "docs")


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("dark", 390), ("light", 1440)])
def test_nothing_that_opens_has_an_accessibility_violation(
    axe: str, page: Page, served: Served, rail: FakeRail, complaints: Complaints, scheme: Any,
    width: int,
) -> None:  # fmt: skip
    complaints.network_expected = True
    a_busy_rail(rail)
    budget = {"entity_type": "mission", "entity_id": "m_open", "limits": [LIMIT]}
    page.route(
        "**/v1/budgets?entity_type=mission*",
        lambda route: route.fulfill(json={"budgets": [budget]}),
    )
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for name, (path, act, drawn) in OPEN.items():
        page.goto(f"{served.address}/neurorail/{path}")
        expect(page.locator(".connection")).to_have_text("Live")
        act(page)
        expect(page.locator(drawn).first).to_be_visible()
        judged(page, axe, name)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_no_broken_state_has_an_accessibility_violation(
    axe: str, page: Page, served: Served, rail: FakeRail, complaints: Complaints, scheme: Any
) -> None:
    complaints.network_expected = True
    a_busy_rail(rail)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.goto(f"{served.address}/neurorail/")
    expect(page.locator(".event").first).to_be_visible()
    rail.lag()
    expect(page.locator("[data-notice=lagged]")).to_be_visible()
    judged(page, axe, "behind")
    served.stop()
    expect(page.locator("[data-notice=away]")).to_be_visible()
    judged(page, axe, "away")
    served.start()
    page.route("**/rbac/whoami", lambda route: route.fulfill(status=401, json={"detail": "who?"}))
    page.reload()
    expect(page.get_by_label("Key")).to_be_visible()
    judged(page, axe, "signed out")
    page.evaluate("localStorage.setItem('controldeck.token', 'of before')")
    page.reload()
    expect(page.locator("[data-session=over]")).to_be_visible()
    judged(page, axe, "session over")
