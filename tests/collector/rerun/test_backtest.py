"""What a manifest would have done to history."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.collector.engine.support import envelope_of, record
from tests.collector.rerun.history import keep_records
from tests.rules.scenario import BASE, SECOND, chain, unix

from neurorail.collector.decode import encode_observations
from neurorail.collector.envelope import Envelope, Kind, Signal, Submission
from neurorail.collector.rerun.backtest import ATTRIBUTES, CUT, OTHERWISE, BacktestReport, backtest
from neurorail.collector.rerun.page import report_page
from neurorail.collector.rerun.report import report_json, with_links
from neurorail.collector.store.store import Store
from neurorail.rules.manifest.load import load
from neurorail.rules.manifest.model import Manifest
from neurorail.rules.observations import (
    Budget,
    DecideRequested,
    EpochStarted,
    Fields,
    ManifestDrafted,
    ManifestMoved,
    Observation,
    PricesLoaded,
    SpanObserved,
    Usage,
)

PRICES = {
    "format": 1,
    "version": "test",
    "providers": [],
    "overrides": [{"match": {"starts_with": "m"}, "prices": [{"input_mtok": "1"}]}],
}


def manifest(version: str, rest: str = "", mode: str = "rail") -> Manifest:
    head = f"neurorail_manifest: 1\nname: test\nversion: '{version}'\ndefault_mode: {mode}\n"
    return load(head + rest)


POOL = "pools: [{id: spend, key: [agent], window: {calendar: day}, limits: {max_cost_usd: 3}}]\n"
OPEN = manifest("open")
CAPPED = manifest("capped", POOL)


def call(number: int, seconds: float, **more: Any) -> SpanObserved:
    """A call of a million tokens, for one US dollar."""
    ids = chain([f"m_{number % 3}", f"p_{number}", f"j_{number}", f"a_{number}", f"r_{number}"])
    usage = Usage("inference", "openai", "m1", input_tokens=1_000_000, has_tokens=True)
    known: dict[str, Any] = {
        "ids": ids,
        "entity": 4,
        "role": "inference",
        "usage": usage,
        "fields": Fields(agent="writer", model="m1"),
    }
    span = number.to_bytes(8, "big")
    at = unix(seconds)
    return SpanObserved(b"t" * 16, span, b"", at - SECOND, at, **(known | more))


class History:
    """Records, each a second after the one before."""

    def __init__(self, store: Store, node: str) -> None:
        self.store = store
        self.node = node
        self.envelopes: list[Envelope] = []
        self.system(EpochStarted(1, node, "1.0"))
        self.system(PricesLoaded("test", "ab", json.dumps(PRICES).encode()))

    @property
    def seconds(self) -> float:
        return float(len(self.envelopes))

    def add(self, *seen: Observation, tenant: str = "default", after: float = 0) -> None:
        self._put(record(*seen, tenant=tenant), after)

    def system(self, seen: Observation) -> None:
        body = encode_observations([seen])
        self._put(Submission(Kind.SYSTEM, Signal.NONE, body, encoding="json"), 0)

    def _put(self, submission: Submission, after: float) -> None:
        at = BASE + round((self.seconds + after) * SECOND)
        self.envelopes.append(envelope_of(len(self.envelopes) + 1, submission, at))

    def calls(self, count: int, **more: Any) -> None:
        for _ in range(count):
            number = len(self.envelopes)
            self.add(call(number, self.seconds, **more))

    def test(self, folder: Path, new: Manifest, **more: Any) -> BacktestReport:
        keep_records(self.store, self.node, self.envelopes)
        report = backtest(self.store, self.node, folder, new, **more)
        assert report is not None
        return report


@pytest.fixture
def history(store: Store, node: str) -> History:
    return History(store, node)


def test_pool_would_have_refused_what_is_above_it(history: History, tmp_path: Path) -> None:
    history.calls(4)
    history.calls(2, error=True)
    report = history.test(tmp_path, CAPPED, against=OPEN)
    new, against = report.new.tally, report.against.tally
    assert (new.calls, new.refused, new.false_positives) == (6, 3, 1)
    assert new.spend_usd_pico == new.avoided_usd_pico == 3 * 10**12
    assert (against.calls, against.refused) == (6, 0)
    assert against.spend_usd_pico == 6 * 10**12
    assert (report.newly_refused, report.newly_allowed, report.both_refused) == (3, 0, 0)
    rule = new.rules["spend"]
    assert (rule.refused, rule.false_positives, rule.warned) == (3, 1, 1)
    assert rule.spend_avoided_usd_pico == 3 * 10**12
    assert [one.succeeded for one in new.examples] == [True, False, False]
    first = new.examples[0]
    assert (first.code, first.rules, first.what) == ("NR-E002", ("spend",), "m1")
    assert first.reason.startswith("pool spend has $0 of $3 left, $1 asked")
    assert report.approximate == [OTHERWISE]
    assert (report.new.version, report.against.version) == ("capped", "open")
    assert sum(bucket.refused for bucket in new.buckets) == 3
    assert report.records == 8


def test_day_that_begins_anew_lets_calls_happen_again(history: History, tmp_path: Path) -> None:
    history.calls(4)
    history.add(call(99, history.seconds + 86_400), after=86_400)
    report = history.test(tmp_path, CAPPED, against=CAPPED)
    assert report.new.tally.refused == 1
    assert report.both_refused == 1
    assert report.newly_refused == 0


def test_direct_agents_hear_of_directives_alone(history: History, tmp_path: Path) -> None:
    rules = (
        "mode_rules: [{id: never, effect: refuse}]\n"
        "reflexes: [{id: fails, per: [model], trigger: {consecutive_failures: {count: 2}}, "
        "actions: [suspend]}]\n"
    )
    own = Fields(agent="writer", model="m1", budget=Budget(max_tokens=1))
    history.calls(1, fields=own)
    history.calls(3, error=True)
    report = history.test(tmp_path, manifest("direct", rules, "direct"), against=OPEN)
    new = report.new.tally
    assert new.refused == 1
    assert new.examples[0].rules == ("fails",)
    assert new.examples[0].code == "NR-E006"
    assert (new.triggers, new.circuits_opened) == (1, 1)
    assert new.rules["fails"].triggered == 1
    assert new.rules["own_budget"].violated == new.violations == 1


def test_direct_agents_are_told_that_a_pool_is_used_up(history: History, tmp_path: Path) -> None:
    rules = "mode_rules: [{id: writers, when: {agent: writer}, mode: direct}]\n"
    history.calls(5)
    report = history.test(tmp_path, manifest("direct", POOL + rules), against=CAPPED)
    assert report.new.tally.examples[0].rules == ("spend",)
    assert report.both_refused == 2
    assert (report.newly_refused, report.newly_allowed) == (0, 0)


def test_cancellations_and_confirmations_are_counted(history: History, tmp_path: Path) -> None:
    rules = (
        "reflexes:\n"
        "- {id: stop, per: [mission_id], trigger: {condition: {holds: {failed: true}, window: 1h}},"
        " actions: [{cancel: {level: mission}}]}\n"
        "- {id: ask, trigger: {condition: {holds: {failed: true}, window: 1h}},"
        " actions: [confirm]}\n"
    )
    history.calls(1, error=True)
    history.calls(3)
    new = history.test(tmp_path, manifest("people", rules, "direct"), against=OPEN).new.tally
    assert (new.cancellations, new.confirmations) == (1, 1)
    assert new.rules["stop"].cancelled == 1
    assert new.refused == new.rules["ask"].refused == 3


def test_mode_rules_decide_by_what_was_known_before_the_call(
    history: History, tmp_path: Path
) -> None:
    rules = """
mode_rules:
  - {id: seen, severity: observe, mode: direct, effect: refuse}
  - {id: known, when: {failed: true}, effect: refuse}
  - {id: people, when: {agent: writer, tokens: {more_than: 1}}, effect: confirm, reason: ask}
  - {id: own, effect: refuse, code: NR-E201}
  - {id: mild, severity: warn, mode: rail, effect: refuse}
"""
    history.calls(1, error=True)
    report = history.test(tmp_path, manifest("rules", rules), against=OPEN)
    (example,) = report.new.tally.examples
    assert example.rules == ("own", "people")
    assert example.code == "NR-E201"


def test_what_was_asked_then_is_asked_again(history: History, tmp_path: Path) -> None:
    for number in (1, 2, 3, 4):
        ids = call(number, 0).ids
        history.add(
            DecideRequested(
                f"d_{number}", f"v_{number}", ids, "llm_call", (("agent", "writer"),),
                (("cost_usd_pico", 10**12), ("tokens", 1_000_000)),
            )
        )  # fmt: skip
        history.add(call(number, history.seconds, reservation_id=f"v_{number}"))
    report = history.test(tmp_path, CAPPED, against=OPEN)
    new = report.new.tally
    assert (new.decisions, new.decisions_refused) == (4, 1)
    assert (new.calls, new.refused) == (4, 1)
    assert new.rules["spend"].refused == 1
    assert report.against.tally.decisions_refused == 0


def test_history_is_compared_with_the_manifests_that_were_active_then(
    history: History, tmp_path: Path
) -> None:
    history.calls(2)
    history.add(ManifestDrafted(CAPPED.json), ManifestMoved("capped", "activate", "x", True))
    history.calls(5)
    report = history.test(tmp_path, manifest("new", "attributes: {agent: [x]}"))
    assert report.against.version == "capped"
    assert report.against.tally.refused == 2
    assert report.new.tally.refused == 0
    assert report.newly_allowed == 2
    assert report.approximate == [OTHERWISE, ATTRIBUTES]


def test_only_what_was_received_since_with_the_prices_from_before(
    history: History, tmp_path: Path
) -> None:
    history.calls(5)
    report = history.test(tmp_path, CAPPED, against=OPEN, since_unix_nano=BASE + 4 * SECOND)
    assert report.against.tally.spend_usd_pico == 3 * 10**12
    assert report.new.tally.refused == 0
    assert report.approximate == [OTHERWISE, CUT]
    late = BASE + 999 * SECOND
    assert backtest(history.store, history.node, tmp_path, OPEN, since_unix_nano=late) is None


def test_other_tenants_are_not_counted(history: History, tmp_path: Path) -> None:
    history.add(call(1, 2.0), tenant="other")
    history.add(call(2, 3.0))
    report = history.test(tmp_path, OPEN, against=OPEN)
    assert report.new.tally.calls == 1
    (tmp_path / "other").mkdir()
    found = backtest(
        history.store, history.node, tmp_path / "other", OPEN, tenant="other", against=OPEN
    )
    assert found is not None
    assert found.new.tally.calls == 1


def test_record_that_raised_is_counted_once(history: History, tmp_path: Path) -> None:
    history.calls(2)
    history.add(call(50, 4.0), PricesLoaded("v", "ab", b"no json"), call(51, 4.0))
    report = history.test(tmp_path, CAPPED, against=OPEN)
    assert (report.new.tally.calls, report.new.tally.refused) == (4, 1)
    assert report.against.tally.calls == 4


def test_rules_that_are_too_many_are_counted_together(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neurorail.collector.rerun.tally.RULES_MAX", 1)
    rules = "mode_rules: [{id: a, effect: refuse}, {id: b, effect: refuse}]\n"
    history.calls(2)
    report = history.test(tmp_path, manifest("two", rules), against=OPEN)
    assert {name: one.refused for name, one in report.new.tally.rules.items()} == {
        "a": 2, "others": 2,
    }  # fmt: skip


def test_report_as_json_has_exact_money_and_links(history: History, tmp_path: Path) -> None:
    history.calls(4)
    report = history.test(tmp_path, CAPPED, against=OPEN)
    body = json.loads(with_links(report_json(report), "http://rail:8000/"), parse_float=str)
    assert body["new"]["spend_usd"] == 3
    assert body["new"]["spend_avoided_usd"] == 1
    assert body["calls"] == {
        "all": 4, "newly_refused": 1, "newly_allowed": 0, "refused_by_both": 0,
    }  # fmt: skip
    (example,) = body["new"]["examples"]
    assert example["link"] == f"http://rail:8000/neurorail/trace?mission={example['mission_id']}"
    assert example["trace_id"] == "74" * 16
    assert len(body["timeline"]) == 60
    assert body["since"] == "2027-01-15T08:00:00Z"
    assert body["new"]["rules"]["spend"]["refused"] == 1


class Page(HTMLParser):
    """Collects what a page holds."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.outside += [f"{tag} {name}" for name, _ in attrs if name == "src"]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_report_as_a_page_needs_nothing_else(history: History, tmp_path: Path) -> None:
    rules = POOL + "mode_rules: [{id: odd, when: {tokens: 0}, effect: refuse}]\n"
    new = manifest("capped", rules + "description: '<b>'\n")
    history.calls(5)
    ids = ("m_<i>", None, None, None, None)
    report = history.test(tmp_path, new, against=OPEN)
    report.new.tally.examples[0] = report.new.tally.examples[0].__class__(
        BASE, ids, "", "<script>", 5, True, "NR-E002", ("spend",), "because"
    )
    report.new.tally.examples[1] = report.new.tally.examples[1].__class__(
        BASE, (None,) * 5, "", "m1", 5, False, "NR-E002", ("spend",), "because"
    )
    page = Page()
    page.feed(report_page(report_json(report)))
    text = "".join(page.text)
    assert page.outside == []
    assert not {"script", "link", "img", "b", "i"} & set(page.tags)
    assert page.tags.count("polyline") == 6
    assert page.tags.count("rect") == 2
    assert "Backtest of manifest capped" in text
    assert "<script>" in text
    assert "spend" in text
    assert "no mission" in text


def test_page_of_a_manifest_that_says_nothing(history: History, tmp_path: Path) -> None:
    history.calls(1)
    page = Page()
    page.feed(report_page(report_json(history.test(tmp_path, OPEN, against=OPEN))))
    assert "No rule said anything." in "".join(page.text)
    assert "rect" not in page.tags
