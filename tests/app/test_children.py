from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from neurorail.app.demo import children
from neurorail.app.demo.children import Child

WAITS = (
    "import signal; from neurorail.app.demo.children import stop_with_parent;"
    "stop_with_parent(); print('ready', flush=True); signal.pause()"
)
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True);"
    "\nwhile True: signal.pause()"
)
PATH = {"PYTHONPATH": os.pathsep.join(sys.path)}


def test_child_is_stopped_and_stop_may_be_repeated() -> None:
    child = Child("a", ["-c", WAITS], PATH)
    assert child.line() == "ready"
    assert child.status() is None
    assert child.stop() == -signal.SIGTERM
    assert child.stop() == -signal.SIGTERM


def test_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = (
        "import sys, signal; from neurorail.app.demo.children import Child;"
        f"child = Child('a', ['-c', {WAITS!r}]); child.line();"
        "print(child.pid, flush=True); signal.pause()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **PATH},
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        watch = os.pidfd_open(pid)
        process.kill()
    try:
        # A process descriptor becomes readable when the process ends.
        assert select.select([watch], [], [], 60)[0], "the child outlived its parent"
    finally:
        os.close(watch)


def test_child_that_will_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    child = Child("a", ["-c", STUBBORN], PATH)
    assert child.line() == "ready"
    monkeypatch.setattr(children, "STOP_S", 0.05)
    assert child.stop() == -signal.SIGKILL
