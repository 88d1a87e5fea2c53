"""Fifty processes with one pool of five dollars: what the model server says they spent.

python -m bench.swarm
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

from tests.support.model_api import model_api
from tests.support.process import running_server
from tests.support.swarm import USD_A_CALL, hold_pool, run_swarm

from bench.report import Report


def measure(agents: int = 50, usd: str = "5") -> Report:
    """Let them work until the pool is empty."""
    report = Report("swarm")
    limit = Decimal(usd)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(Path(folder) / "data") as server,
        model_api() as model,
    ):
        hold_pool(server.api, "swarm", limit)
        variables = {
            **{name: value for name, value in os.environ.items() if "OTEL" not in name},
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
            "OTEL_EXPORTER_OTLP_ENDPOINT": server.otlp_http,
            "OTEL_SERVICE_NAME": "swarm",
            "NEURORAIL_ENDPOINT": server.api,
            "NEURORAIL_TIMEOUT_MS": "30000",
        }
        swarm = run_swarm(variables, model, agents, calls=1_000)
    report.add(
        agents=agents,
        pool_usd=float(limit),
        calls=swarm.calls,
        usd_a_call=float(USD_A_CALL),
        spent_usd=float(swarm.spent_usd),
        seconds=round(swarm.seconds, 1),
    )
    report.goal("never more than the pool", swarm.spent_usd <= limit)
    report.goal("nearly all of it", swarm.spent_usd > limit - 3 * USD_A_CALL)
    return report


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--usd", default="5")
    options = parser.parse_args()
    sys.exit(not measure(options.agents, options.usd).publish())


if __name__ == "__main__":
    main()
