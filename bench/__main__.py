"""The quick measurements, one after the other: a table, and a file with all numbers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping

from bench import backtest, decide, ingest, kill, latency, rules, small_requests, snapshot, startup
from bench.report import RESULTS, Report, save_all, show

QUICK: Mapping[str, Callable[[float], Report]] = {
    "ingest": lambda scale: ingest.measure(int(300_000 * scale)),
    "small_requests": lambda scale: small_requests.measure(int(10_000 * scale)),
    "latency": lambda scale: latency.measure(seconds=20 * scale),
    "decide": lambda scale: decide.measure(int(20_000 * scale), seconds=15 * scale),
    "startup": lambda scale: startup.measure(int(100_000 * scale)),
    "backtest": lambda scale: backtest.measure(int(200_000 * scale)),
    "rules": lambda scale: rules.measure(int(20_000 * scale)),
    "snapshot": lambda scale: snapshot.measure(int(100_000 * scale)),
    "kill": lambda scale: kill.measure(max(1, int(3 * scale)), seed=1),
}
LONG = ("export", "memory", "outage", "phoenix", "reads", "streams")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        epilog=f"On their own, as python -m bench.NAME: {', '.join([*QUICK, *LONG])}.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(QUICK)}; all")
    parser.add_argument("--scale", type=float, default=1.0, help="of every amount; default 1")
    parser.add_argument(
        "--strict", action="store_true", help="end with status 1 if a goal is not reached"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(QUICK)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: choose from {', '.join(QUICK)}")
    reports = []
    for name in arguments.names or QUICK:
        print(f"measuring {name}", file=sys.stderr, flush=True)
        reports.append(QUICK[name](arguments.scale))
        reports[-1].save()
    show(reports)
    print(f"numbers: {save_all(reports)}, and one file each in {RESULTS}")
    if arguments.strict and not all(all(report.goals.values()) for report in reports):
        sys.exit(1)


if __name__ == "__main__":
    main()
