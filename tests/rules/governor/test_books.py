"""The books as they are shown."""

from __future__ import annotations

from typing import Any

from tests.rules.governor.desk import CENT, IDS, Desk
from tests.rules.governor.test_decide import manifest
from tests.rules.governor.test_pools import ROLLING, pooled, rule

from neurorail.rules.governor import books
from neurorail.rules.manifest.condition import Condition
from neurorail.rules.manifest.limits import Limits
from neurorail.rules.manifest.model import BudgetRule, Budgets
from neurorail.rules.manifest.windows import Window
from neurorail.rules.observations import Budget

MINUTE = Window(calendar="minute")


def numbers(shown: dict[str, Any]) -> tuple[int, ...]:
    (limit,) = shown["limits"]
    return tuple(
        limit[name] // CENT for name in ("limit", "consumed", "reserved", "unsettled", "left")
    )


def of_mission(desk: Desk) -> list[dict[str, Any]]:
    desk.state.tenant = "default"
    return books.of_entity(desk.state, desk.state.existing("m_1"))


def test_an_entity_shows_its_budgets_and_its_pools() -> None:
    desk = Desk(pooled(rule(100, ROLLING, key=("agent",)), rule(50, MINUTE, id="minute")))
    desk.begin("m_1", budget=Budget(max_cost_usd_pico=20 * CENT), agent="ann")
    desk.ask(*IDS, cost_usd_pico=5 * CENT)
    desk.report("reconcile", "v1", cost_usd_pico=3 * CENT)
    desk.ask(*IDS, cost_usd_pico=7 * CENT)
    mission, rolling, minute = of_mission(desk)
    assert (mission["entity_id"], numbers(mission)) == ("m_1", (20, 3, 7, 0, 10))
    assert (mission["open_reservations"], mission["rolling_ms"]) == (1, None)
    assert (rolling["pool"], rolling["key"], numbers(rolling)) == (
        "spend", '["ann"]', (100, 3, 7, 0, 90),
    )  # fmt: skip
    assert (rolling["rolling_ms"], rolling["ends_unix_nano"]) == (60_000, 0)
    assert minute["ends_unix_nano"] - minute["begins_unix_nano"] == 60 * 10**9
    assert minute["limits"][0]["rule_id"] == "minute"
    desk.wait(62)
    desk.begin("m_9")
    assert [numbers(one) for one in of_mission(desk)] == [
        (20, 3, 0, 7, 10), (100, 0, 0, 7, 93), (50, 0, 0, 0, 50)
    ]  # fmt: skip


def test_pools_are_listed_newest_first_without_those_that_are_over() -> None:
    desk = Desk(pooled(rule(100, ROLLING, key=("agent",)), rule(50, MINUTE, id="minute")))

    def listed(most: int = 10) -> list[str]:
        desk.state.tenant = "default"
        return [one["pool"] + one["key"] for one in books.of_pools(desk.state, most)]

    assert listed() == []
    desk.ask("m_1", context={"agent": "ann"}, cost_usd_pico=CENT)
    desk.ask("m_1", context={"agent": "bob"}, cost_usd_pico=CENT)
    assert listed() == ['spend["bob"]', "minute[]", 'spend["ann"]']
    assert listed(1) == ['spend["bob"]']
    desk.wait(61)
    desk.heartbeat("m_1")
    assert listed() == ['spend["bob"]', 'spend["ann"]']
    # Books of a rule that is gone, or counts otherwise now, are not shown.
    desk.hold(pooled(rule(100, Window(rolling_ms=1_000), key=("agent",))))
    assert listed() == []
    desk.hold(pooled(rule(100, ROLLING, id="other")))
    assert listed() == []


def test_open_missions_show_their_budgets_the_manifests_too() -> None:
    limits = Limits(max_tokens=100)
    spare = BudgetRule(
        id="agents", level="mission", limits=limits, when=Condition({"agent": "ann"})
    )
    desk = Desk(manifest(budgets=Budgets(defaults=(spare,))))
    for name, more in (
        ("m_1", {"agent": "ann"}),
        ("m_2", {}),
        ("m_3", {"budget": Budget(max_tokens=5)}),
        ("m_4", {"agent": "ann", "budget": Budget(max_tokens=7)}),
        ("m_5", {"agent": "ann"}),
    ):
        desk.begin(name, **more)
    desk.end("m_3")
    desk.ask("m_4", tokens=4, cost_usd_pico=0)
    desk.state.tenant = "default"
    del desk.state.entities["default|m_5"]
    shown = books.of_missions(desk.state, 10)
    assert [(one["entity_id"], [(limit["rule_id"], limit["left"]) for limit in one["limits"]])
            for one in shown] == [
        ("m_4", [("own_budget", 3), ("agents", 96)]), ("m_1", [("agents", 100)]),
    ]  # fmt: skip
    assert [one["entity_id"] for one in books.of_missions(desk.state, 1)] == ["m_4"]
