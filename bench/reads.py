"""Reads over HTTP with much stored: how long each takes, one after the other.

Every request carries a key. Entities asked for were governed by this server and are its engine's;
lists, usage, events and spans are ClickHouse's. What is stored is made by `bench.history`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from bench.history import GOVERNED_SPANS, History, make
from bench.load import percentile
from bench.report import Report
from bench.server import Server, running

KEY: Final = "nr_bench_" + "k" * 43
WARM_UP: Final = 20
REST_S: Final = 3.0
REST_SHARE: Final = 0.1
"""Of a processor: a server that uses less for `REST_S` is at rest."""
REST_S_MAX: Final = 600.0
V1: Final = "/api/neurorail/v1"


@dataclass(frozen=True, slots=True)
class Ask:
    """One kind of request."""

    name: str
    goal_p99_ms: float | None
    paths: Callable[[History], list[str]]
    """Paths, asked in turn."""
    body: bytes | None = None
    share: float = 1.0
    """Of the number of requests."""


def _entities(template: str) -> Callable[[History], list[str]]:
    return lambda history: [V1 + template.format(*entity) for entity in history.entities]


def _missions(template: str) -> Callable[[History], list[str]]:
    return lambda history: [V1 + template.format(mission) for mission in history.missions]


def _queries(path: str, *queries: Mapping[str, object]) -> Callable[[History], list[str]]:
    asked = [f"{V1}{path}?{urlencode(query, doseq=True)}" for query in queries]
    return lambda _: asked


FILTERS: Final = (
    {"state": "failed"},
    {"state": "failed", "since": "-7d"},
    {"tag": "team=team-3"},
    {"tag": "team=team-3", "state": "failed", "since": "-14d"},
    {"agent": "agent-7"},
    {"model": "o4-mini", "since": "-7d"},
    {"agent": "agent-7", "model": "o4-mini"},
    {"cost_above": "0.0008"},
    {"duration_above_ms": 590_000},
    {"duration_above_ms": 1, "until": "-20d"},
    {"tag": "team=nobody"},
    {"agent": "nobody"},
)
"""Of mission lists: each filter alone, some together, and two that nothing passes."""

_BY_MODEL: Final = {"group_by": ["model", "hour"], "since": "-7d"}
_AUTHORIZE: Final = json.dumps(
    {"user_id": "u", "role": "operator", "required_permissions": ["read:audit", "execute:reflex"]}
).encode()

ASKS: Final = (
    Ask("trace_chain", 50, _entities("/identity/trace/{}/{}")),
    Ask("state", 10, _entities("/lifecycle/state/{}/{}")),
    Ask("mission_list", 100, _queries("/missions", *FILTERS)),
    Ask("authorize", 5, lambda _: [f"{V1}/rbac/authorize"], _AUTHORIZE),
    Ask("stream_stats", 5, lambda _: [f"{V1}/stream/stats"]),
    Ask("usage", 300, _queries("/usage", _BY_MODEL), share=0.2),
    Ask("history", None, _entities("/lifecycle/history/{}/{}"), share=0.2),
    Ask("mission_events", None, _missions("/audit/events?mission_id={}"), share=0.2),
    Ask("mission_spans", None, _missions("/missions/{}/spans"), share=0.2),
    Ask("audit_stats", None, lambda _: [f"{V1}/audit/stats"], share=0.05),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.reads", description=__doc__)
    parser.add_argument("--spans", type=int, default=10_000_000)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--governed", type=int, default=GOVERNED_SPANS, help="spans of them sent")
    parser.add_argument("--requests", type=int, default=1_000, help="of each kind, some fewer")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="fill it once, and keep it")
    given = parser.parse_args()
    if not measure(given.spans, given.events, given.governed, given.requests, given.keep).publish():
        sys.exit(1)


def measure(
    spans: int,
    events: int,
    governed: int = GOVERNED_SPANS,
    requests: int = 1_000,
    keep: Path | None = None,
) -> Report:
    """Fill a data directory and read from it."""
    with _folder(keep) as folder:
        began = time.perf_counter()
        history = make(folder / "data", spans, events, governed)
        fill_s = time.perf_counter() - began
        with running(folder / "data", environment={"NEURORAIL_ADMIN_KEY": KEY}) as server:
            report = _read(server, history, requests)
        report.numbers |= {"fill_s": fill_s}
    return report


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)


def _read(server: Server, history: History, requests: int) -> Report:
    report = Report("reads")
    report.add(spans=history.spans, events=history.events, ready_s=server.ready_s)
    report.add(settled_s=_rest(server))
    client = Client(server.api)
    for ask in ASKS:
        paths = cycle(ask.paths(history))
        for _ in range(WARM_UP):
            client.ask(next(paths), ask.body)
        cpu_s = server.cpu_s()
        count = max(WARM_UP, int(requests * ask.share))
        took_s = [client.ask(next(paths), ask.body) for _ in range(count)]
        p99_ms = percentile(took_s, 99) * 1e3
        report.add(
            **{
                f"{ask.name}_p50_ms": percentile(took_s, 50) * 1e3,
                f"{ask.name}_p99_ms": p99_ms,
                f"{ask.name}_server_cpu_ms": (server.cpu_s() - cpu_s) / count * 1e3,
            }
        )
        if ask.goal_p99_ms is not None:
            report.goal(f"{ask.name} p99 below {ask.goal_p99_ms} ms", p99_ms < ask.goal_p99_ms)
    client.close()
    return report


def _rest(server: Server) -> float:
    """Wait until the store has merged what was copied; the seconds that took."""
    began = time.perf_counter()
    busy = True
    while busy and time.perf_counter() - began < REST_S_MAX:
        cpu_s = server.cpu_s()
        time.sleep(REST_S)
        busy = server.cpu_s() - cpu_s > REST_S * REST_SHARE
    return time.perf_counter() - began


class Client:
    """One connection, kept open, with a key."""

    def __init__(self, api: str) -> None:
        parts = urlsplit(api)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, path: str, body: bytes | None = None) -> float:
        """Return the seconds from the request until its answer is read.

        Raises:
            RuntimeError: the answer is not 200.
        """
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        began = time.perf_counter()
        self._connection.request("GET" if body is None else "POST", path, body, headers)
        answer = self._connection.getresponse()
        said = answer.read()
        took_s = time.perf_counter() - began
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {said[:500]!r}")
        return took_s

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


if __name__ == "__main__":
    main()
