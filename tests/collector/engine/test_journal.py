"""The journal: what is committed together, kept across reopening, read in order, pruned."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from neurorail.collector.engine import journal as journal_module
from neurorail.collector.engine.journal import Journal, OutboxBatch, Progress
from neurorail.rules.state import Changes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    opened = Journal(path)
    opened.open()
    yield opened
    opened.close()


def commit(journal: Journal, *lines: bytes, changes: Changes | None = None,
           prices: bytes | None = None) -> None:  # fmt: skip
    progress = journal.progress
    first = progress.emitted_seq + 1
    progress.emitted_seq += max(len(lines), 1)
    text = b"".join(line + b"\n" for line in lines)
    journal.commit(text, first, len(lines), progress, changes, prices)


def reopened(journal: Journal, path: Path) -> Journal:
    journal.close()
    again = Journal(path)
    again.open()
    return again


def batch(ordinal: int, *lines: bytes) -> OutboxBatch:
    text = b"".join(line + b"\n" for line in lines)
    return OutboxBatch(ordinal, ordinal, ordinal + len(lines) - 1, len(lines), text)


def test_batches_are_read_in_order_in_memory_and_from_disk(journal: Journal, path: Path) -> None:
    wanted = [batch(1, b"one"), batch(2, b"two"), batch(3, b"three")]
    for one in (b"one", b"two", b"three"):
        commit(journal, one)
    for source in (journal, Journal(path)):
        if source is not journal:
            source.open()
        assert source.read(0, 1 << 20) == wanted
        assert source.read(1, 1 << 20) == wanted[1:]
        assert source.read(3, 1 << 20) == []
        assert source.unarchived() == wanted
        assert source.depth() == 3
        # The first is returned whatever its size.
        assert source.read(0, 1) == wanted[:1]
        assert source.read(0, 8) == wanted[:2]
        source.close()


def test_batches_that_left_memory_are_read_from_disk(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "RECENT_BYTES_MAX", 10)
    for one in (b"one", b"two", b"three", b"a line that is longer than all memory"):
        commit(journal, one)
    wanted = [batch(1, b"one"), batch(2, b"two"), batch(3, b"three")]
    assert journal.read(0, 1 << 20)[:3] == wanted
    assert journal.read(3, 1 << 20)[0].lines == b"a line that is longer than all memory\n"
    # Everything that is not archived, in however many pages.
    assert [one.ordinal for one in journal.unarchived()] == [1, 2, 3, 4]


def test_progress_without_events_makes_no_batch(journal: Journal, path: Path) -> None:
    commit(journal)
    commit(journal, b"one")
    commit(journal)
    assert [one.ordinal for one in journal.read(0, 1 << 20)] == [1]
    again = reopened(journal, path)
    assert again.progress.emitted_seq == 3
    assert again.progress.ordinal == 1
    again.close()


def test_pruned_batches_are_gone_also_after_reopening(journal: Journal, path: Path) -> None:
    for one in (b"one", b"two", b"three"):
        commit(journal, one)
    journal.prune(2)
    journal.prune(1)
    assert [one.ordinal for one in journal.unarchived()] == [3]
    assert [one.ordinal for one in journal.read(0, 1 << 20)] == [3]
    assert journal.depth() == 1
    commit(journal, b"four")
    again = reopened(journal, path)
    assert [one.ordinal for one in again.unarchived()] == [3, 4]
    again.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM outbox").fetchone() == (2,)
    connection.close()


def test_progress_is_kept_with_all_it_says(journal: Journal, path: Path) -> None:
    wanted = Progress(7, 5, 0, 0, b"a" * 32, b"d" * 32, 9, [(6, 2, "ValueError: no")])
    journal.commit(b"", 1, 0, wanted, None, None)
    again = reopened(journal, path)
    found = again.progress
    assert [tuple(item) for item in found.failed] == wanted.failed
    found.failed = wanted.failed
    assert found == wanted
    again.close()


def test_state_is_kept_row_by_row(journal: Journal, path: Path) -> None:
    assert journal.flushed().meta is None
    changes = Changes(
        rows=[("a|m_1", 50, 0, ["m_1"]), ("a|m_2", 0, 0, ["m_2"]), ("a|t2", 0, 9, ["late"]),
              ("a|t1", 70, 4, ["early"]), ("|lamp|a|hall", 30, 0, [1, "on"]),
             ("|lamp|a|{", 0, 0, [2, "off"])],
        meta={"counters": {"x": 1}},
    )  # fmt: skip
    commit(journal, b"one", changes=changes, prices=b"{}")
    later = Changes(rows=[("a|m_1", 0, 0, ["new"])], removed=["a|m_2"], meta={"counters": {}})
    commit(journal, changes=later)
    for source in (journal, Journal(path)):
        if source is not journal:
            source.open()
        assert source.load("a|m_1") == ["new"]
        assert source.load("a|m_2") is None
        assert source.load_many(["a|m_1", "a|m_2", "a|t1"]) == {"a|m_1": ["new"], "a|t1": ["early"]}
        flushed = source.flushed()
        assert flushed.meta == {"counters": {}}
        assert flushed.prices_json == b"{}"
        assert sorted(flushed.deadlines) == [("a|t1", 70), ("|lamp|a|hall", 30)]
        assert flushed.kept == [("|lamp|a|hall", [1, "on"]), ("|lamp|a|{", [2, "off"])]
        assert flushed.traces == [("a|t1", ["early"], 4), ("a|t2", ["late"], 9)]
        source.close()


def test_numbers_beyond_64_bits_are_kept(journal: Journal, path: Path) -> None:
    row = ["m_1", [2**64 - 1, 2**64, -(2**63), -(2**63) - 1], {"sum": 10**40}, True, None, b"x"]
    commit(journal, changes=Changes(rows=[("a|m_1", 0, 0, row)], meta={"counters": {"x": 2**80}}))
    again = reopened(journal, path)
    assert again.load("a|m_1") == row
    assert again.flushed().meta == {"counters": {"x": 2**80}}
    again.close()


def test_many_rows_are_read_at_once(journal: Journal) -> None:
    keys = [f"a|m_{number}" for number in range(1_201)]
    rows = [(key, 0, 0, [key]) for key in keys]
    commit(journal, changes=Changes(rows=rows))
    assert journal.load_many([*keys, "a|m_none"]) == {key: [key] for key in keys}
    assert journal.load_many([]) == {}


def test_a_commit_that_fails_leaves_nothing_behind(journal: Journal, path: Path) -> None:
    commit(journal, b"one")
    bad = Changes(rows=[("a|m_1", "no number", None, ["m_1"])])  # type: ignore[list-item]
    with pytest.raises(sqlite3.IntegrityError):
        commit(journal, b"two", changes=bad)
    assert [one.ordinal for one in journal.read(0, 1 << 20)] == [1]
    again = reopened(journal, path)
    assert again.progress.ordinal == 1
    assert again.load("a|m_1") is None
    again.close()


def test_readers_wait_until_there_is_more(journal: Journal) -> None:
    assert not journal.wait_for(0, 0.0)
    found: list[bool] = []
    reader = threading.Thread(target=lambda: found.append(journal.wait_for(0, 60.0)))
    reader.start()
    commit(journal, b"one")
    reader.join(timeout=60)
    assert found == [True]
    assert journal.wait_for(0, 0.0)


def test_the_log_is_merged_when_it_is_large_and_nobody_waits(journal: Journal, path: Path) -> None:
    """A merge moves what the log holds into the file, which alone is read here."""

    def merged() -> int:
        file = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
        try:
            found: int = file.execute("SELECT count(*) FROM outbox").fetchone()[0]
        except sqlite3.OperationalError:  # Not even the tables are in the file.
            found = 0
        finally:
            file.close()
        return found

    commit(journal, b"one")
    journal.merge_if_large()
    assert merged() == 0
    for _ in range(journal_module.QUIET_MERGE_PAGES):
        commit(journal, b"more")
    journal.merge_if_large()
    assert merged() == 1 + journal_module.QUIET_MERGE_PAGES
    commit(journal, b"one more")
    journal.merge_if_large()
    assert merged() == 1 + journal_module.QUIET_MERGE_PAGES
    assert len(journal.read(0, 1 << 20)) == 2 + journal_module.QUIET_MERGE_PAGES


def test_a_closed_journal_says_so(journal: Journal) -> None:
    commit(journal, b"one")
    journal.close()
    journal.close()
    with pytest.raises(RuntimeError, match="the journal is closed"):
        journal.load("a|m_1")
    fresh = Journal(Path("never"))
    assert fresh.read(0, 1) == []


@pytest.mark.parametrize("at_the_next_start", [False, True])
def test_what_is_deleted_leaves_no_bytes(
    journal: Journal, path: Path, at_the_next_start: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ("m_1", 0, 0, ["a secret of somebody"])
    commit(journal, changes=Changes(rows=[row], removed=[], meta={}))
    commit(journal, changes=Changes(rows=[("m_1", 0, 0, ["nothing"])], removed=[], meta={}))

    def found() -> bool:
        return any(b"a secret" in each.read_bytes() for each in path.parent.iterdir())

    assert found()
    if at_the_next_start:
        monkeypatch.setattr(journal_module, "SCRUB_BYTES_MAX", 0)
    assert journal.scrub() is not at_the_next_start
    again = reopened(journal, path) if at_the_next_start else journal
    assert not found()
    assert again.load("m_1") == ["nothing"]
    again.close()
