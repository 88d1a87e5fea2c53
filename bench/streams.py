"""The live stream under load: deliveries each second, and how long from publication to receipt.

Three parts. With 20, 200 and 1,000 subscribers to everything: a steady rate and a burst, against
a bare Starlette broadcaster with the same events, readers and machine. With 200 subscribers, each
with a filter of its own: 1,000 events/s of governed telemetry while spans come in over OTLP.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain, combinations
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from bench.report import Report
from bench.server import Server, running

SUBSCRIBERS: Final = (20, 200, 1_000)
DELIVERIES_PER_S: Final = 100_000
"""Of the steady rate, over all subscribers; at most `EVENTS_PER_S_MAX` events."""
EVENTS_PER_S_MAX: Final = 5_000
BURST_EVENTS: Final = 2_000
"""All at once: fewer than memory holds."""
GOAL_P99_MS: Final = 20.0
GOAL_RATIO: Final = 1.0
SERVER: Final = (sys.executable, "-m", "bench.stream_server")
BARE: Final = (sys.executable, "-m", "bench.bare_broadcaster")
PATH: Final = "/api/neurorail/v1/stream/events?replay_buffer=false"
SKIP_S: Final = 3.0
"""From the beginning of telemetry; what is published then is not counted."""
_TYPES: Final = (
    "state_changed", "cost_tracked", "execution_start", "execution_success",
    "execution_failure", "tt_first_signal", "metrics_recorded", "retry_attempted",
)  # fmt: skip
Numbers = Mapping[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.streams", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each steady rate")
    parser.add_argument("--subscribers", type=int, nargs="*", default=SUBSCRIBERS)
    parser.add_argument("--burst", type=int, default=BURST_EVENTS, metavar="EVENTS")
    parser.add_argument(
        "--filters", type=int, default=200, help="subscribers with their own filter"
    )
    parser.add_argument("--events-per-s", type=int, default=1_000)
    parser.add_argument("--spans-per-s", type=int, default=5_000)
    given = parser.parse_args()
    report = measure(
        given.seconds, given.subscribers, given.burst, given.filters, given.events_per_s,
        given.spans_per_s,
    )  # fmt: skip
    if not report.publish():
        sys.exit(1)


def measure(
    seconds: float = 10.0,
    subscribers: Sequence[int] = SUBSCRIBERS,
    burst: int = BURST_EVENTS,
    filters: int = 200,
    events_per_s: int = 1_000,
    spans_per_s: int = 5_000,
) -> Report:
    """Measure all three parts."""
    report = Report("streams")
    for count in subscribers:
        per_s = min(EVENTS_PER_S_MAX, DELIVERIES_PER_S // count)
        steady, full = _broadcast(SERVER, count, per_s, seconds, burst)
        bare_steady, bare_full = _broadcast(BARE, count, per_s, seconds, burst)
        report.add(
            **{
                f"{count}_events_per_s": per_s,
                f"{count}_p50_ms": steady["p50_ms"],
                f"{count}_p99_ms": steady["p99_ms"],
                f"{count}_bare_p99_ms": bare_steady["p99_ms"],
                f"{count}_cpu_us_per_delivery": steady["cpu_us"],
                f"{count}_bare_cpu_us_per_delivery": bare_steady["cpu_us"],
                f"{count}_burst_deliveries_per_s": full["per_s"],
                f"{count}_bare_burst_deliveries_per_s": bare_full["per_s"],
                f"{count}_burst_ratio": full["per_s"] / bare_full["per_s"],
                f"{count}_events_a_read": steady["deliveries"] / steady["reads"],
                f"{count}_readers_cpu_percent": steady["readers_percent"],
            }
        )
        told = all(one["exact"] for one in (steady, full))
        report.goal(f"{count}: each event once to each, in order", told)
        report.goal(
            f"{count}: at least as many a second as bare", full["per_s"] >= bare_full["per_s"]
        )
    if filters:
        _governed(report, filters, seconds, events_per_s, spans_per_s)
    return report


def _broadcast(
    command: Sequence[str], subscribers: int, per_s: int, seconds: float, burst: int
) -> tuple[Numbers, Numbers]:
    """A steady rate, then a burst, with a fresh server."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running(folder / "data", command=command) as server:
            paths = [PATH] * subscribers
            order = {"events": int(per_s * seconds), "per_s": per_s}
            steady = _read(server, paths, folder / "steady", order)
            full = _read(server, paths, folder / "burst", {"events": burst, "per_s": 0})
    return steady, full


def _read(
    server: Server,
    paths: Sequence[str],
    log: Path,
    order: Mapping[str, float],
    beside: AbstractContextManager[None] = nullcontext(),  # noqa: B008
) -> dict[str, Any]:
    """Let readers read what an order publishes, while something else runs beside."""
    with _readers(server, paths, log) as readers:
        cpu_s = server.cpu_s()
        with beside:
            published = _order(server, {**order, "log": str(log)})
        readers.stdin.write("end\n")  # type: ignore[union-attr]
        readers.stdin.flush()  # type: ignore[union-attr]
        received = json.loads(readers.stdout.readline())  # type: ignore[union-attr]
        cpu_s = server.cpu_s() - cpu_s
    seconds, deliveries = received["seconds"], max(1, received["deliveries"])
    return {
        **received,
        "published": published,
        "exact": not received["out_of_order"] and received["fewest"] == published,
        "per_s": deliveries / seconds if seconds else 0.0,
        "cpu_us": cpu_s / deliveries * 1e6,
        "cpu_percent": 100 * cpu_s / seconds if seconds else 0.0,
        "readers_percent": 100 * received["cpu_s"] / seconds if seconds else 0.0,
    }


@contextmanager
def _readers(server: Server, paths: Sequence[str], log: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of readers, all connected."""
    parts = urlsplit(server.api)
    asked = {"host": parts.hostname, "port": parts.port, "paths": list(paths), "log": str(log)}
    with subprocess.Popen(
        [sys.executable, "-m", "bench.stream_readers"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None, "it is a pipe"
        assert process.stdout is not None, "it is a pipe"
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the readers were not connected")
        yield process


def _order(server: Server, order: Mapping[str, object]) -> int:
    """Tell the server to publish, and wait until it has."""
    stdin, stdout = server.process.stdin, server.process.stdout
    assert stdin is not None, "it is a pipe"
    assert stdout is not None, "it is a pipe"
    stdin.write(json.dumps(order) + "\n")
    stdin.flush()
    return int(json.loads(stdout.readline())["published"])


def _governed(
    report: Report, filters: int, seconds: float, events_per_s: int, spans_per_s: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running(folder / "data", command=SERVER) as server:
            order = {"events": 0, "skip_s": SKIP_S, "seconds": seconds}
            feeding = _feeding(server, events_per_s, spans_per_s, SKIP_S + seconds)
            found = _read(server, filter_paths(filters), folder / "log", order, feeding)
    report.add(
        filters=filters,
        filters_spans_per_s=spans_per_s,
        filters_events_per_s=found["published"] / seconds,
        filters_deliveries_per_s=found["deliveries"] / seconds,
        filters_p50_ms=found["p50_ms"],
        filters_p99_ms=found["p99_ms"],
        filters_max_ms=found["max_ms"],
        filters_events_a_read=found["deliveries"] / max(1, found["reads"]),
        filters_server_cpu_percent=found["cpu_percent"],
        filters_readers_cpu_percent=found["readers_percent"],
    )
    report.goal(
        f"{filters} filters: p99 below {GOAL_P99_MS} ms beside {spans_per_s} spans/s",
        found["p99_ms"] < GOAL_P99_MS,
    )
    report.goal(f"{filters} filters: each at most once, in order", not found["out_of_order"])


def filter_paths(count: int) -> list[str]:
    """Return as many paths, no two with the same filter."""
    sets = chain.from_iterable(combinations(_TYPES, size) for size in (4, 3, 5, 2, 6, 1, 7))
    paths = [f"{PATH}&{urlencode({'event_types': each}, doseq=True)}" for each in sets]
    if count > len(paths):
        raise ValueError(f"there are {len(paths)} different filters, not {count}")
    return paths[:count]


@contextmanager
def _feeding(server: Server, events_per_s: int, spans_per_s: int, seconds: float) -> Iterator[None]:
    """Telemetry for so long, from a process of its own; the context ends when it has ended."""
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "bench.feed", server.otlp_grpc),
            f"--events-per-s={events_per_s}",
            f"--spans-per-s={spans_per_s}",
            f"--seconds={seconds}",
        ]
    ) as process:
        yield
    if process.returncode:
        raise RuntimeError(f"the feed ended with status {process.returncode}")


if __name__ == "__main__":
    main()
