"""A backtest: what a manifest would have done to stored history, beside what was active then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from neurorail.collector.decode import decode_observations
from neurorail.collector.rerun.garbage import seldom_looked_for
from neurorail.collector.rerun.side import Side
from neurorail.collector.rerun.stored import UNIX_NANO_MAX, Range, Rows, StoredRecords
from neurorail.collector.rerun.tally import Tally
from neurorail.rules.manifest.model import Manifest

OnProgress = Callable[[int, int], None]

OTHERWISE: Final = "agents are taken to have done otherwise the same"
CUT: Final = "what was open before the first record that was looked at is not known"
ATTRIBUTES: Final = "attributes were read as the manifest that was active then mapped them"


@dataclass(slots=True)
class SideReport:
    """One side: which manifest, and what it did."""

    name: str
    version: str
    sha256: str
    tally: Tally


@dataclass(slots=True)
class BacktestReport:
    """What a backtest found."""

    node: str
    tenant: str
    begin_unix_nano: int
    end_unix_nano: int
    new: SideReport
    against: SideReport
    records: int = 0
    observations: int = 0
    newly_refused: int = 0
    newly_allowed: int = 0
    both_refused: int = 0
    approximate: list[str] = field(default_factory=list)
    """In what the answer is not exact."""


def backtest(
    store: Rows,
    node: str,
    folder: Path,
    new: Manifest,
    *,
    against: Manifest | None = None,
    tenant: str = "default",
    since_unix_nano: int = 0,
    until_unix_nano: int = UNIX_NANO_MAX,
    progress: OnProgress = lambda done, total: None,
) -> BacktestReport | None:
    """Run history under two manifests; None if nothing was received then.

    Args:
        store: A started store, or what asks one.
        node: Whose records.
        folder: Empty; files are made in it.
        new: The manifest that is tried.
        against: What it is compared with; None is what was active then, with its changes.
        tenant: Whose calls are counted.
        since_unix_nano: Only records received since then.
        until_unix_nano: Only records received before then.
        progress: Told after each stretch.

    Raises:
        StoreError: the store cannot be read.
    """
    records = StoredRecords(store, node)
    there = records.range(since_unix_nano, until_unix_nano)
    if there is None:
        return None
    sides = tuple(
        _side(folder / name, tenant, manifest, there)
        for name, manifest in (("new", new), ("against", against))
    )
    try:
        with seldom_looked_for():
            return _run(records, there, sides[0], sides[1], tenant, progress)
    finally:
        for side in sides:
            side.close()


def _side(folder: Path, tenant: str, manifest: Manifest | None, there: Range) -> Side:
    folder.mkdir()
    begin, end = there.first_received_unix_nano, there.last_received_unix_nano
    return Side(folder, tenant, manifest, Tally(begin, end))


def _run(
    records: StoredRecords,
    there: Range,
    new: Side,
    against: Side,
    tenant: str,
    progress: OnProgress,
) -> BacktestReport:
    first, last = there.first_seq, there.last_seq
    for envelope in records.settings_before(first):
        new.prepare(envelope)
        against.prepare(envelope)
    report = BacktestReport(
        records.node,
        tenant,
        there.first_received_unix_nano,
        there.last_received_unix_nano,
        SideReport("", "", "", new.tally),
        SideReport("", "", "", against.tally),
    )
    for stretch in records.read(first - 1, last):
        for envelope in stretch:
            observations = decode_observations(envelope.body)
            new.apply(envelope, observations)
            against.apply(envelope, observations)
            _compare(report, new, against)
        report.records += len(stretch)
        done = stretch[-1].seq - first + 1 if stretch else 0
        progress(done, last - first + 1)
    report.observations = new.rerun.observations
    report.new = _named(new)
    report.against = _named(against)
    report.approximate = _approximate(first, new.manifest, against.manifest)
    return report


def _compare(report: BacktestReport, new: Side, against: Side) -> None:
    for call, refused in new.refused.items():
        before = against.refused.get(call, False)
        report.both_refused += refused and before
        report.newly_refused += refused and not before
        report.newly_allowed += before and not refused


def _named(side: Side) -> SideReport:
    manifest = side.manifest
    return SideReport(manifest.name, manifest.version, manifest.sha256, side.tally)


def _approximate(first_seq: int, new: Manifest, against: Manifest) -> list[str]:
    found = [OTHERWISE]
    if first_seq > 1:
        found.append(CUT)
    if new.attributes != against.attributes:
        found.append(ATTRIBUTES)
    return found
