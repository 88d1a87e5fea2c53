"""Events that nobody listens to are not made, and everything else is as it would be."""

from __future__ import annotations

import pytest
from tests.simulation.driver import Driver
from tests.simulation.workload import make

from neurorail.rules.events import EVENT_TYPES

HEARD = frozenset({"budget_violation", "timeout_enforced", "usage_moved"})


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("quiet", [frozenset(EVENT_TYPES) - HEARD, frozenset({"state_changed"})])
def test_quiet_types_change_nothing_else(seed: int, quiet: frozenset[str]) -> None:
    told, heard = Driver(), Driver()
    heard.engine.state.quiet = quiet
    events = told.run(make(seed))
    assert heard.run(make(seed)) == [one for one in events if one.type not in quiet]
    before, after = told.engine.state.take_changes(), heard.engine.state.take_changes()
    before.meta["counters"].pop("events")
    after.meta["counters"].pop("events")
    assert after == before
