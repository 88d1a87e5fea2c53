"""What a start finds: files cut off, spoilt, half made, and everything that was acknowledged."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.collector.inbox.support import (
    SMALL_FILES,
    bodies,
    files,
    put,
    read_all,
    running,
    telemetry,
)

from neurorail.collector.inbox import InboxConfig, InboxCorrupt, InboxPruned

WRITER = Path(__file__).with_name("kill_writer.py")
KILLS = 8


def spoil(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def three_files(directory: Path) -> list[Path]:
    with running(directory, SMALL_FILES) as inbox:
        for name in (b"one", b"two", b"three"):
            put(inbox, telemetry(name))
    return [directory / name for name in files(directory)]


def test_a_start_continues_the_sequence_and_reads_what_was_stored(tmp_path: Path) -> None:
    three_files(tmp_path)
    with running(tmp_path, SMALL_FILES) as inbox:
        assert put(inbox, telemetry(b"four"))[0].seq == 4
        assert bodies(read_all(inbox)) == [b"one", b"two", b"three", b"four"]


def test_the_sequence_continues_after_everything_was_pruned(tmp_path: Path) -> None:
    with running(tmp_path, SMALL_FILES) as inbox:
        for _ in range(5):
            put(inbox, telemetry())
        assert inbox.prune(5) == 4
    with running(tmp_path) as inbox:
        assert (inbox.first_seq, inbox.last_seq) == (5, 5)
        assert put(inbox, telemetry())[0].seq == 6


def test_kill_9_at_random_moments_loses_nothing_acknowledged(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    acknowledged: dict[int, str] = {}
    for _ in range(KILLS):
        acknowledged |= run_and_kill(tmp_path, chance.randrange(1, 400))
        with running(tmp_path) as inbox:
            stored = {e.seq: e.body.decode().split()[0] for e in read_all(inbox)}
        lost = {seq for seq, name in acknowledged.items() if stored.get(seq) != name}
        assert not lost, f"seed {seed}"
        assert len(set(stored.values())) == len(stored), f"stored twice, seed {seed}"
    assert len(acknowledged) >= KILLS


def run_and_kill(directory: Path, after_answers: int) -> dict[int, str]:
    """Run the writer, kill it after so many answers; return name by acknowledged sequence."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, str(WRITER), str(directory)],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(after_answers)]
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.readlines()
    whole = [line.split() for line in lines if line.endswith("\n")]
    assert len(whole) >= after_answers
    return {int(seq): name for seq, name in whole}


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    last = three_files(tmp_path)[-1]
    last.write_bytes(b"this is not a database, whatever it once was" * 100)
    with pytest.raises(InboxCorrupt, match=last.name), running(tmp_path):
        pass


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    last = three_files(tmp_path)[-1]
    spoil(last, "UPDATE segment SET version = 99")
    with pytest.raises(InboxCorrupt, match="version 99"), running(tmp_path):
        pass


def test_a_file_without_a_number_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inbox-copy.db").touch()
    with pytest.raises(InboxCorrupt, match=r"inbox-copy\.db"), running(tmp_path):
        pass


def test_a_missing_record_is_noticed_at_start_in_the_last_file(tmp_path: Path) -> None:
    with running(tmp_path) as inbox:
        put(inbox, *[telemetry()] * 5)
    spoil(tmp_path / files(tmp_path)[0], "DELETE FROM records WHERE seq = 3")
    with pytest.raises(InboxCorrupt, match="lacks some of the records 1 to 5"), running(tmp_path):
        pass


@pytest.mark.parametrize("gone", [1, 3, 5])
def test_a_missing_record_is_noticed_when_it_is_read(tmp_path: Path, gone: int) -> None:
    with running(tmp_path, SMALL_FILES) as inbox:
        put(inbox, *[telemetry()] * 5)
        put(inbox, telemetry())
    spoil(tmp_path / files(tmp_path)[0], f"DELETE FROM records WHERE seq = {gone}")
    if gone == 1:
        with pytest.raises(InboxCorrupt, match="lacks record 1"), running(tmp_path):
            pass
        return
    with running(tmp_path) as inbox, pytest.raises(InboxCorrupt, match=f"lacks record {gone}"):
        inbox.read(0, 100, 1 << 20)


def test_a_file_left_half_made_is_made_anew(tmp_path: Path) -> None:
    three_files(tmp_path)
    (tmp_path / "inbox-00000000000000000004.db").touch()
    with running(tmp_path) as inbox:
        assert inbox.last_seq == 3
        assert put(inbox, telemetry())[0].seq == 4


def test_an_empty_new_file_keeps_the_sequence_and_the_time(tmp_path: Path) -> None:
    last = three_files(tmp_path)[-1]
    spoil(last, "DELETE FROM records")
    with running(tmp_path) as inbox:
        assert inbox.last_seq == 2
        before = inbox.read(1, 1, 1)[0]
        stamp = put(inbox, telemetry())[0]
        assert stamp.seq == 3
        assert stamp.received_unix_nano > before.received_unix_nano


def test_pruned_records_are_refused_to_readers(tmp_path: Path) -> None:
    with running(tmp_path, InboxConfig(rotate_bytes=1, tail_bytes=1)) as inbox:
        for _ in range(3):
            put(inbox, telemetry())
        inbox.prune(2)
        with pytest.raises(InboxPruned, match="record 1 was pruned"):
            inbox.read(0, 1, 1)
        assert inbox.read(2, 1, 1)[0].seq == 3
    assert len(files(tmp_path)) == 1
