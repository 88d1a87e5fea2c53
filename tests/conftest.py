"""What all tests share. Kept small: a part's own fixtures live beside its tests."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The top folder of the repository."""
    return ROOT


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine that runs the tests reaches them."""
    for name in list(os.environ):
        if name.startswith(("NEURORAIL_", "OTEL_")):
            monkeypatch.delenv(name)


@pytest.fixture
def free_port() -> Iterator[Callable[[], int]]:
    """Gives ports of the loopback interface that nothing listens on, and that stay the test's.

    Each is kept bound until the test ends, so that neither a server on any port nor an outgoing
    connection is given it. A server of the test's own can be told to listen there, again and again:
    on Linux two sockets that allow it (`SO_REUSEADDR`) may be bound to one address, and one listen.
    """
    with ExitStack() as kept:

        def pick() -> int:
            holder = kept.enter_context(socket.socket())
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind(("127.0.0.1", 0))
            port: int = holder.getsockname()[1]
            return port

        yield pick


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In continuous integration a skipped test is a failed run: there everything must be there."""
    if os.environ.get("CI") != "true" or hasattr(session.config, "workerinput"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    skipped = reporter.stats.get("skipped", [])
    if skipped and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"{len(skipped)} tests were skipped; with CI=true that is a failure")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
