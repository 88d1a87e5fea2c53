"""Takes the pictures of ControlDeck that README and docs show, during a real `neurorail demo`.

    python scripts/screenshot.py                              # runs the demo first
    python scripts/screenshot.py --url http://127.0.0.1:8000  # of a server that runs

Needs Chromium on the path and the extras `collector`, `demo` and `dev`.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "docs" / "images"
API = "/api/neurorail/v1"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
DEMO_URL = "http://127.0.0.1:8000"
WAIT_S = 90
PICTURES = {
    "controldeck": ("", ".event"),
    "controldeck-trace": ("trace?mission={mission}", "[data-entity]"),
    "controldeck-lifecycle": ("lifecycle", ".moves .list-row"),
    "controldeck-budget": ("budget", "[data-violation]"),
    "controldeck-reflex": ("reflex", "[data-directive]"),
    "controldeck-governor": ("governor", "[data-type=mode_decided]"),
}
"""Each picture's page, and what is there when it has drawn itself."""
PHONE = {"controldeck-phone": ("lifecycle", ".moves .list-row")}
PHONE_SIZE: ViewportSize = {"width": 390, "height": 844}


def read(url: str) -> Any:
    """The JSON at an address, or None while there is none."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return None


@contextmanager
def demo() -> Iterator[str]:
    """Runs the demo on a terminal of its own, so that it serves on; gives the API's address."""
    if read(f"{DEMO_URL}{API}/telemetry/snapshot") is not None:
        raise SystemExit(f"a server already answers at {DEMO_URL}: stop it, or name it with --url")
    ours, theirs = pty.openpty()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("neurorail")), "demo", "--data-dir", folder],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "dumb"},
        )
        os.close(theirs)
        reader = threading.Thread(target=drain, args=(ours,), daemon=True)
        reader.start()
        try:
            yield DEMO_URL
        finally:
            process.terminate()
            process.wait(60)
            reader.join(5)
            os.close(ours)


def drain(terminal: int) -> None:
    """Passes on what the demo writes: a full terminal would hold it up."""
    while True:
        try:
            written = os.read(terminal, 65_536)
        except OSError:  # How Linux tells that the other end is closed.
            return
        if not written:
            return
        sys.stdout.buffer.write(written)
        sys.stdout.flush()


def wait_for_server(url: str) -> None:
    """Waits until the server is ready."""
    until = time.monotonic() + WAIT_S
    while read(f"{url}{API}/telemetry/snapshot") is None:
        if time.monotonic() > until:
            raise SystemExit(f"{url} was not ready within {WAIT_S} s")
        time.sleep(0.2)


def worth_showing(url: str, violations: int) -> str:
    """Waits until so many violations happened; gives the most eventful mission."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        snapshot = read(f"{url}{API}/telemetry/snapshot")
        if snapshot["totals"].get("violations", 0) >= violations:
            missions = read(f"{url}{API}/missions")["missions"]
            return str(max(missions, key=interest)["entity_id"])
        time.sleep(0.1)
    raise SystemExit(f"{url} did not show {violations} violations within {WAIT_S} s")


def interest(mission: dict[str, Any]) -> tuple[int, int]:
    """Retries first, then tokens."""
    totals = mission["totals"]
    return totals["retry_count"], totals["total_tokens"]


def take_all(browser: Browser, url: str, arguments: argparse.Namespace) -> list[Path]:
    """Waits until there is enough to see; then a picture of each page, and of one on a phone."""
    wait_for_server(url)
    mission = arguments.mission or worth_showing(url, arguments.violations)
    arguments.output.mkdir(parents=True, exist_ok=True)
    size: ViewportSize = {"width": arguments.width, "height": arguments.height}
    scale = arguments.scale
    page = browser.new_page(viewport=size, device_scale_factor=scale, color_scheme=arguments.scheme)
    written = take(page, url, PICTURES, mission, arguments)
    phone = browser.new_page(
        viewport=PHONE_SIZE, device_scale_factor=2 * scale, color_scheme="light"
    )
    return written + take(phone, url, PHONE, mission, arguments)


def take(
    page: Page,
    url: str,
    pictures: dict[str, tuple[str, str]],
    mission: str,
    arguments: argparse.Namespace,
) -> list[Path]:
    """Opens each page and writes its picture."""
    written = []
    for name, (path, drawn) in pictures.items():
        page.goto(f"{url}/neurorail/{path.format(mission=mission)}")
        page.locator('.connection[data-connection="live"]').wait_for()
        page.locator(drawn).first.wait_for()
        page.locator(".skeleton").first.wait_for(state="detached")
        page.evaluate("document.fonts.ready.then(() => true)")
        page.wait_for_timeout(arguments.settle_ms)  # Rates are counted once a second.
        written.append(arguments.output / f"{name}.png")
        page.screenshot(path=written[-1], animations="disabled")
    return written


def main() -> int:
    """Writes the pictures; 0 when they are there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", help="of a server that runs; without it the demo is started")
    parser.add_argument("--mission", help="whose chain is shown; default: the most eventful")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder of the pictures")
    parser.add_argument("--settle-ms", type=int, default=2500, help="look so long before each")
    parser.add_argument("--scheme", choices=["dark", "light"], default="dark")
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--scale", type=float, default=1.25, help="device pixels per pixel")
    parser.add_argument("--violations", type=int, default=3, help="wait until so many happened")
    arguments = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if chromium is None:
        print(f"no Chromium on the path (looked for {', '.join(CHROMIUM_NAMES)})", file=sys.stderr)
        return 2
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        if arguments.url:
            written = take_all(browser, arguments.url, arguments)
        else:
            with demo() as url:
                written = take_all(browser, url, arguments)
        browser.close()
    print("\n".join(f"wrote {path}" for path in written))
    return 0


if __name__ == "__main__":
    sys.exit(main())
