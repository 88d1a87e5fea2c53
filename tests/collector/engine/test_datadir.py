"""The data directory: one server at a time, names and keys made once, readable by nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.waiting import PROGRAM_S

from neurorail.collector.datadir import KEY_BYTES, DataDirectory, DataDirectoryInUse

TAKE = """
import sys
from pathlib import Path
from neurorail.collector.datadir import DataDirectory, DataDirectoryInUse
try:
    DataDirectory(Path(sys.argv[1])).open()
except DataDirectoryInUse as error:
    print(error)
else:
    print("open")
"""


def from_another_process(path: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run(
        [sys.executable, "-c", TAKE, str(path)],
        env=environment, capture_output=True, text=True, check=True, timeout=PROGRAM_S,
    )  # fmt: skip
    return found.stdout.strip()


def test_a_second_process_is_told_who_has_it_until_it_is_given_back(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data")
    directory.open()
    told = from_another_process(directory.path)
    assert f"used by another neurorail server (process {os.getpid()})" in told
    assert "choose another --data-dir" in told
    directory.close()
    directory.close()
    assert from_another_process(directory.path) == "open"


def test_a_second_server_in_this_process_is_refused_too(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.open()
    directory.open()
    with pytest.raises(DataDirectoryInUse):
        DataDirectory(tmp_path).open()
    directory.close()


def test_node_and_key_are_made_once(tmp_path: Path) -> None:
    found = []
    for _ in range(2):
        directory = DataDirectory(tmp_path / "data")
        directory.open()
        found.append((directory.node, directory.redaction_key))
        directory.close()
    assert found[0] == found[1]
    node, key = found[0]
    assert len(key) == KEY_BYTES
    int(node, 16)
    other = DataDirectory(tmp_path / "other")
    other.open()
    assert (other.node, other.redaction_key) != found[0]
    other.close()


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "deep" / "data")
    directory.open()
    assert directory.path.stat().st_mode & 0o077 == 0
    for name in ("lock", "node", "redaction.key"):
        assert (directory.path / name).stat().st_mode & 0o077 == 0, name
    directory.close()


def test_what_a_crash_left_half_written_is_written_again(tmp_path: Path) -> None:
    (tmp_path / "redaction.key.part").write_bytes(b"half")
    directory = DataDirectory(tmp_path)
    directory.open()
    assert len(directory.redaction_key) == KEY_BYTES
    directory.close()
