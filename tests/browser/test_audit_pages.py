"""The audit page on a whole server that signs often: proofs, checkpoints, bundles, verification."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, Route, expect
from tests.browser.conftest import Complaints
from tests.browser.looking import in_address, leave_sheet
from tests.end_to_end.rail import MS, Chain, Rail, until
from tests.support.process import running_server

from neurorail.client import NotFound

pytestmark = pytest.mark.browser

VERIFY_BUNDLE = Path(__file__).resolve().parents[2] / "docs" / "verify_bundle.py"
SHEET = "dialog[open]"


@pytest.fixture(scope="module")
def chain() -> Chain:
    """A mission that has run."""
    return Chain()


@pytest.fixture(scope="module")
def rail(tmp_path_factory: pytest.TempPathFactory, chain: Chain) -> Iterator[Rail]:
    """A server that signs every second, and whose mission is signed."""
    folder = tmp_path_factory.mktemp("audit")
    config = folder / "neurorail.yaml"
    config.write_text("audit: {checkpoint_interval_s: 1}\n", encoding="utf-8")
    with running_server(folder / "data", "--config", str(config)) as server:
        rail = Rail(server)
        now = time.time_ns()
        call = chain.span(5, times=(now - 20 * MS, now), gen_ai__operation__name="chat")
        mission = chain.entity("mission", 1, times=(now - 30 * MS, now))
        rail.send_spans(call, mission)
        rail.ended(chain)
        rail.all_is_stored()
        until("the mission is signed", lambda: all(e["proof"] for e in events_of(rail, chain)))
        yield rail


def events_of(rail: Rail, chain: Chain) -> list[dict[str, Any]]:
    """The mission's events as its bundle has them; one empty one while there are none."""
    lines = rail.client.stream_lines(
        "/api/neurorail/v1/audit/export", {"mission_id": chain.mission}
    )
    try:
        told = [json.loads(line) for line in lines]
    except NotFound:
        return [{"proof": None}]
    return [line for line in told if line["kind"] == "event"]


def holds(file: Path, rail: Rail) -> str:
    """What the stand-alone script says of a file that holds, with the key that signed first."""
    key = rail.get("/audit/checkpoints")["statements"][-1]["public_key"]
    done = subprocess.run(
        [sys.executable, VERIFY_BUNDLE, file, key], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def open_proof(deck: Page, rail: Rail, chain: Chain) -> None:
    deck.goto(f"{rail.server.api}/neurorail/audit?id={chain.mission}&type=state_changed")
    prove_first(deck)


def prove_first(deck: Page) -> None:
    deck.locator('[data-panel="audit"] .list-row[data-type]').first.click()
    deck.get_by_role("button", name="Prove that it is in the trail").click()


def test_an_event_is_proven_in_the_browser_and_by_the_script(
    rail: Rail, deck: Page, chain: Chain, tmp_path: Path
) -> None:
    open_proof(deck, rail, chain)
    expect(deck.locator('[data-proof="holds"]')).to_contain_text("checked its signature")
    with deck.expect_download() as downloading:
        deck.get_by_role("button", name="Download the proof").click()
    file = tmp_path / "proof.jsonl"
    downloading.value.save_as(file)
    assert "PROVEN: 1 of 1 events proven, 0 not signed yet" in holds(file, rail)
    told = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [line["kind"] for line in told] == ["bundle", "checkpoint", "event"]
    own = told[-1]["hash"]
    expect(deck.locator(f"{SHEET} .proof")).to_contain_text(own)


def tampered(lines: list[dict[str, Any]], where: str) -> list[dict[str, Any]]:
    """The lines of a proof with one thing changed."""
    signed, event = lines[1], lines[-1]
    if where == "head":
        event["head"][5] += 1  # The time of receipt, by a nanosecond.
    elif where == "details":
        event["details"] = event["details"].replace("{", '{"x":1,', 1)
    elif where == "path":
        event["proof"]["path"][0] = "00" * 32
    else:
        signed["total"] += 1
    return lines


def test_a_proof_that_was_tampered_with_does_not_hold(rail: Rail, deck: Page, chain: Chain) -> None:
    changed = ["signature"]

    def tamper(route: Route) -> None:
        answer = route.fetch()
        lines = tampered([json.loads(line) for line in answer.text().splitlines()], changed[0])
        route.fulfill(response=answer, body="".join(f"{json.dumps(line)}\n" for line in lines))

    deck.route("**/audit/proof/**", tamper)
    open_proof(deck, rail, chain)
    for where in ("signature", "head", "details", "path"):
        changed[0] = where
        leave_sheet(deck)
        prove_first(deck)
        expect(deck.locator('[data-proof="broken"]')).to_contain_text("does not hold")


def test_a_missions_bundle_is_checked_here_and_holds_elsewhere(
    rail: Rail, deck: Page, chain: Chain, tmp_path: Path, complaints: Complaints
) -> None:
    deck.goto(f"{rail.server.api}/neurorail/audit?view=bundle")
    deck.get_by_label("Mission", exact=True).fill(chain.mission)
    deck.get_by_role("button", name="Make the bundle").click()
    verdict = deck.locator('[data-bundle="holds"]')
    count = len(events_of(rail, chain))
    expect(verdict).to_have_attribute("data-proven", str(count))
    in_address(deck, chain.mission)
    with deck.expect_download() as downloading:
        deck.get_by_role("button", name="Download (JSON Lines)").click()
    assert downloading.value.suggested_filename == f"neurorail-bundle-{chain.mission}.jsonl"
    file = tmp_path / "bundle.jsonl"
    downloading.value.save_as(file)
    assert f"PROVEN: {count} of {count} events proven" in holds(file, rail)

    complaints.network_expected = True  # It is answered with 404.
    deck.get_by_label("Mission", exact=True).fill("m_nobody")
    deck.get_by_role("button", name="Make the bundle").click()
    expect(deck.get_by_role("alert")).to_contain_text("no event of mission 'm_nobody'")


def bundle_verdict(deck: Page, rail: Rail, chain: Chain) -> Any:
    deck.goto(f"{rail.server.api}/neurorail/audit?view=bundle")
    deck.get_by_label("Mission", exact=True).fill(chain.mission)
    deck.get_by_role("button", name="Make the bundle").click()
    return deck.locator("[data-bundle]")


def test_a_bundle_is_not_called_proven_while_something_is_not_signed(
    rail: Rail, deck: Page, chain: Chain
) -> None:
    def before_the_checkpoint(route: Route) -> None:
        answer = route.fetch()
        told = [json.loads(line) for line in answer.text().splitlines()]
        lines = [line | {"proof": None} if line["kind"] == "event" else line for line in told]
        route.fulfill(response=answer, body="".join(f"{json.dumps(line)}\n" for line in lines))

    deck.route("**/audit/export**", before_the_checkpoint)
    verdict = bundle_verdict(deck, rail, chain)
    expect(verdict).to_have_attribute("data-bundle", "unsigned")
    expect(verdict).to_contain_text("Not proven yet")
    expect(verdict).to_contain_text(f"0 of {len(events_of(rail, chain))} events proven")


def test_faults_of_a_bundle_are_told_once_each(rail: Rail, deck: Page, chain: Chain) -> None:
    def without_statements(route: Route) -> None:
        answer = route.fetch()
        lines = [line for line in answer.text().splitlines() if '"kind":"checkpoint"' not in line]
        route.fulfill(response=answer, body="\n".join(lines))

    deck.route("**/audit/export**", without_statements)
    verdict = bundle_verdict(deck, rail, chain)
    expect(verdict).to_have_attribute("data-bundle", "broken")
    expect(verdict.locator("li")).to_have_count(1)
    more = len(events_of(rail, chain)) - 1
    expect(verdict.locator("li")).to_have_text(
        re.compile(rf"no signed checkpoint holds the event: line \d+ and {more} more")
    )


def test_checkpoints_are_listed_with_what_was_signed(rail: Rail, deck: Page) -> None:
    deck.goto(f"{rail.server.api}/neurorail/audit")
    deck.get_by_role("tab", name="Checkpoints and anchors").click()
    rows = deck.locator('[data-statement="checkpoint"]')
    expect(rows.first).to_be_visible()
    expect(deck.locator('[data-valid="false"]')).to_have_count(0)
    newest = rail.get("/audit/checkpoints", limit=1)["statements"][0]
    expect(deck.locator('[data-panel="checkpoints"]')).to_contain_text(newest["key_id"])
    expect(deck.locator("[data-anchors]")).to_contain_text("anchors.jsonl")
    rail.client.post_json("/api/neurorail/v1/audit/rotate-key", {})
    expect(deck.locator('[data-statement="rotation"]')).to_have_count(1)


def verified(rail: Rail) -> bool:
    """Whether the server could verify: one verification runs at a time."""
    try:
        with urlopen(f"{rail.server.api}/api/neurorail/v1/audit/verify") as answer:
            return bool(answer.read())
    except HTTPError as error:
        if error.code != 503:
            raise
        return False


def test_a_verification_can_be_cancelled_and_begun_again(rail: Rail, deck: Page) -> None:
    def never_ends(route: Route) -> None:
        """The server's own lines would be through before anybody could cancel."""

    deck.route("**/audit/verify", never_ends)
    deck.goto(f"{rail.server.api}/neurorail/audit")
    deck.get_by_role("button", name="Verify the chain").click()
    deck.get_by_role("button", name="Cancel").click()
    panel = deck.locator('[data-panel="verification"]')
    expect(panel).to_contain_text("Cancelled")
    deck.unroute("**/audit/verify")
    until("what another test began is over", lambda: verified(rail))
    deck.get_by_role("button", name="Verify the chain").click()
    expect(panel).to_have_attribute("data-verified", "true")
    expect(panel).to_contain_text(re.compile(r"\d+ checkpoints agree"))
