"""A real Chromium on the real page, with what it complained about collected."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from tests.browser.fake_rail import FakeRail, Served

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE_MS = 60_000
"""Of what is expected and what is clicked: a busy machine takes more than the usual 5 seconds."""
_WATCH = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`content rule ${event.violatedDirective} broken by ${event.blockedURI}`);
});
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One headless Chromium for all tests of a module; skips where there is none.

    Not for the whole session: Playwright keeps its event loop running in this thread, and tests of
    other modules need their own.
    """
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        pytest.skip(f"no Chromium on the path (looked for {', '.join(CHROMIUM_NAMES)})")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield started
        started.close()


@pytest.fixture
def rail() -> FakeRail:
    """What the scripted server knows; empty at first."""
    return FakeRail()


@pytest.fixture
def served(rail: FakeRail) -> Iterator[Served]:
    """The scripted server with the product's page on it."""
    server = Served(rail)
    server.start()
    yield server
    server.close()


@dataclass
class Complaints:
    """What the page wrote as an error; a test that asks in vain expects those lines."""

    lines: list[str] = field(default_factory=list)
    network_expected: bool = False

    def unexpected(self) -> list[str]:
        """The lines that no test asked for."""
        if not self.network_expected:
            return self.lines
        usual = ("net::ERR_", "responded with a status of 4")
        return [line for line in self.lines if not any(text in line for text in usual)]


@pytest.fixture
def complaints() -> Complaints:
    """Errors of the page so far."""
    return Complaints()


@contextmanager
def watched(
    browser: Browser, complaints: Complaints, *, timezone_id: str | None = None
) -> Iterator[Page]:
    """A page that must end without one error, exception or broken content rule."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, timezone_id=timezone_id)
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(_WATCH)
    opened = context.new_page()

    def heard(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.lines.append(message.text)

    opened.on("console", heard)
    opened.on("pageerror", lambda error: complaints.lines.append(str(error)))
    yield opened
    context.close()
    assert complaints.unexpected() == []


@pytest.fixture
def page(browser: Browser, served: Served, complaints: Complaints) -> Iterator[Page]:
    """A watched page that closes before the scripted server does."""
    with watched(browser, complaints) as opened:
        yield opened


@pytest.fixture
def deck(browser: Browser, complaints: Complaints) -> Iterator[Page]:
    """A watched page for a server of the test's own."""
    with watched(browser, complaints) as opened:
        yield opened
