"""Processes that share a pool of money never spend more than is in it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from tests.end_to_end.agents import environment
from tests.end_to_end.rail import Rail
from tests.support.model_api import model_api
from tests.support.process import running_server
from tests.support.swarm import USD_A_CALL, hold_pool, run_swarm


@pytest.mark.slow
def test_a_swarm_never_spends_more_than_its_pool_holds(tmp_path: Path) -> None:
    limit = Decimal("1.2")
    with running_server(tmp_path / "data") as server, model_api() as model:
        hold_pool(server.api, "swarm", limit)
        variables = environment(Rail(server), OTEL_SERVICE_NAME="swarm")
        swarm = run_swarm(variables, model, agents=6, calls=20)
    assert swarm.spent_usd <= limit
    # And nearly all of it can be spent: what is reserved is freed as soon as it is settled.
    assert swarm.spent_usd > limit - 3 * USD_A_CALL
