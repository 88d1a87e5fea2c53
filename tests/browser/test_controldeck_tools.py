"""The ControlDeck under Node's tools: types, the vendored build, and accessibility."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
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


PAGES = {
    "": "[data-mission]",
    "trace": "[data-mission]",
    "trace?mission=m_fail": "[data-entity]",
    "trace?mission=m_fail&compare=m_timeout": "[data-measure]",
    "lifecycle": "[data-panel=moves] .list-row",
    "budget": "[data-violation]",
    "budget#burn-down": ".use-open",
    "reflex": "[data-panel=breakers] .nothing",
    "governor": "[data-panel=manifests] .nothing",
    "audit": "[data-panel=audit] .list-row",
    "access": "[data-panel=keys] .nothing",
}
"""What is there when a page has drawn itself."""


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_no_page_has_an_accessibility_violation(
    modules: Path, page: Page, served: Served, rail: FakeRail, scheme: str
) -> None:
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
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    axe = (modules / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    for path, drawn in PAGES.items():
        page.goto(f"{served.address}/neurorail/{path}")
        expect(page.locator(drawn).first).to_be_visible()
        expect(page.locator(".connection")).to_have_text("Live")
        if path.endswith("#burn-down"):
            page.reload()  # The same page, and the sheet over it.
            page.locator(drawn).click()
            expect(page.locator(".burn-down canvas")).to_be_visible()
        page.evaluate(axe)
        found = page.evaluate("axe.run()")
        assert len(found["passes"]) > 20
        assert [
            (path, rule["id"], node["target"], node["failureSummary"])
            for rule in found["violations"]
            for node in rule["nodes"]
        ] == []
