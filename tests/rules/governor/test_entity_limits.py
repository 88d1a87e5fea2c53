"""The manifest's budgets of entities, and what attempts use up of pools."""

from __future__ import annotations

from typing import Any

from tests.rules.governor.desk import CENT, IDS, Desk, at_most
from tests.rules.governor.test_decide import manifest
from tests.rules.governor.test_pools import pooled, rule

from neurorail.rules.governor.accounts import ENTITY_ACCOUNTS
from neurorail.rules.manifest.condition import Condition
from neurorail.rules.manifest.limits import Limits
from neurorail.rules.manifest.model import BudgetRule, Budgets
from neurorail.rules.manifest.windows import Window
from neurorail.rules.observations import Budget

DAY = Window(calendar="day")


def budgeted(*rules: BudgetRule, **config: Any) -> Desk:
    return Desk(manifest(budgets=Budgets(defaults=rules)), **config)


def cost(cents: int, level: str = "mission", **more: Any) -> BudgetRule:
    limits = Limits(max_cost_usd_pico=cents * CENT)
    return BudgetRule(id=more.pop("id", "spend"), level=level, limits=limits, **more)


def test_usage_warns_at_every_level_and_breaks_once() -> None:
    desk = budgeted(cost(10, warn_percent=(50, 90)))
    for cents in (4, 1, 4, 1, 1, 1):
        desk.call(*IDS, cost=cents * CENT)
    warned = desk.said("budget_warning")
    assert [(one["percent"], one["rule_id"]) for one in warned] == [(50, "spend"), (90, "spend")]
    (broken,) = desk.said("budget_violation")
    assert (broken["consumed"], broken["limit"], broken["code"]) == (
        11 * CENT, 10 * CENT, "NR-E002",
    )  # fmt: skip
    assert broken["scope"] == {"entity_type": "mission", "entity_id": "m_1"}


def test_a_level_whose_rules_are_all_for_others_has_no_limit() -> None:
    desk = budgeted(cost(1, when=Condition({"agent": "other"})))
    desk.call(*IDS, cost=9 * CENT)
    assert desk.said("budget_violation") == []


def test_what_a_mission_says_of_itself_later_changes_its_limits() -> None:
    desk = budgeted(cost(1, when=Condition({"agent": "writer"})))
    desk.call(*IDS, cost=2 * CENT)
    desk.call(*IDS, cost=2 * CENT)
    assert desk.said("budget_violation") == []
    desk.begin("m_1", agent="writer")
    desk.call(*IDS, cost=2 * CENT)
    (broken,) = desk.said("budget_violation")
    assert broken["consumed"] == 6 * CENT


def test_limits_that_follow_from_amounts_are_looked_at_each_time() -> None:
    desk = budgeted(cost(3, when=Condition({"cost_usd_pico": {"more_than": 3 * CENT}})))
    for _ in range(2):
        desk.call(*IDS, cost=2 * CENT)
    assert [one["consumed"] for one in desk.said("budget_violation")] == [4 * CENT]


def test_rules_hold_for_what_they_are_for_and_are_meant_as_they_say() -> None:
    desk = budgeted(
        cost(1, "job", id="jobs", when=Condition({"job_type": "llm_call"}), severity="observe"),
        cost(1, "attempt", id="attempts", severity="warn"),
        cost(1, "job", id="others", when=Condition({"job_type": "other"})),
    )
    desk.begin("m_1", "p_1", "j_1", job_type="llm_call")
    desk.call(*IDS, cost=2 * CENT)
    told = [event for event in desk.events if event.type == "budget_violation"]
    assert [(one.data["rule_id"], one.severity) for one in told] == [
        ("jobs", "info"), ("attempts", "warning")
    ]  # fmt: skip


def test_what_rest_reports_counts_too() -> None:
    desk = budgeted(cost(10), cost(1, "attempt", id="attempts"))
    desk.ask("m_1", cost_usd_pico=10 * CENT)
    desk.report("reconcile", "v1", cost_usd_pico=12 * CENT)
    (broken,) = desk.said("budget_violation")
    assert broken["overshoot"] == 2 * CENT


def test_retries_and_attempts_at_once() -> None:
    limits = Limits(max_retries=1, max_parallel=1)
    desk = budgeted(BudgetRule(id="calm", level="job", limits=limits, warn_percent=(100,)))
    for number in range(3):
        desk.begin("m_1", "p_1", "j_1", f"a_{number}")
    kinds = [(one["violation_type"], one["code"]) for one in desk.said("budget_violation")]
    assert kinds == [("parallel", "NR-E002"), ("retries", "NR-E003")]


def test_what_was_told_is_forgotten_with_the_entity() -> None:
    desk = budgeted(cost(1))
    desk.begin("m_1")
    desk.ask("m_1", cost_usd_pico=CENT)
    desk.call("m_1", "p_1", "j_1", "a_1", cost=2 * CENT)
    desk.begin("m_2")
    desk.call("m_2", "p_2", "j_2", "a_2", cost=2 * CENT)
    assert desk.state.kept.total(ENTITY_ACCOUNTS) == 2
    desk.end("m_2")
    assert desk.state.kept.total(ENTITY_ACCOUNTS) == 1
    desk.end("m_1")
    desk.report("release", "v1")
    assert desk.state.kept.total(ENTITY_ACCOUNTS) == 0


def test_the_manifests_time_is_a_timeout() -> None:
    limits = Limits(wall_time_ms=5_000)
    desk = budgeted(
        BudgetRule(id="fast", level="mission", limits=limits, when=Condition({"tag.slow": None})),
        BudgetRule(id="watched", level="mission", limits=Limits(wall_time_ms=1), severity="warn"),
    )
    desk.begin("m_1")
    desk.begin("m_2", budget=Budget(timeout_ms=3_000))
    desk.begin("m_3", tags=(("slow", "yes"),))
    desk.begin("p_1")
    desk.wait(20)
    timeouts = {one["entity_id"]: one["timeout_ms"] for one in desk.said("timeout_enforced")}
    assert timeouts == {"m_1": 5_000, "m_2": 3_000}
    assert desk.state.entity("m_1").state == "timeout"
    refused = desk.ask("m_3", duration_ms=10)
    assert [(one["rule_id"], one["severity"]) for one in refused["reasons"]] == [
        ("watched", "warn")
    ]  # fmt: skip


def test_attempts_use_up_time_and_retries_of_pools() -> None:
    limits = Limits(wall_time_ms=10_000, max_retries=1)
    desk = Desk(pooled(rule(limits=limits, window=DAY)))
    desk.hold(pooled(rule(limits=limits, window=DAY), rule(10, id="cost")))
    for number in range(3):
        desk.begin("m_1", "p_1", "j_1", f"a_{number}")
        desk.wait(4)
        desk.end("m_1", "p_1", "j_1", f"a_{number}")
    broken = {one["violation_type"]: one["consumed"] for one in desk.said("budget_violation")}
    assert broken == {"retries": 2, "wall_time": 12_000}
    assert {one["code"] for one in desk.said("budget_violation")} == {"NR-E002"}
    refused = desk.ask("m_1", "p_1", "j_1", "a_9", duration_ms=0)
    assert [one["kind"] for one in refused["reasons"]] == ["retries"]
    assert refused["reasons"][0]["code"] == "NR-E003"


def test_a_pool_of_attempts_at_once_counts_from_the_grant_to_the_end() -> None:
    desk = Desk(pooled(rule(limits=Limits(max_parallel=1), window=DAY)))
    ask: dict[str, Any] = {"tokens": 0, "cost_usd_pico": 0}
    assert desk.ask("m_1", "p_1", "j_1", "a_1", **ask)["allowed"]
    assert not desk.ask("m_1", "p_1", "j_1", "a_2", **ask)["allowed"]
    desk.begin("m_1", "p_1", "j_1", "a_1")
    assert not desk.ask("m_1", "p_1", "j_1", "a_2", **ask)["allowed"]
    desk.end("m_1", "p_1", "j_1", "a_1")
    assert desk.ask("m_1", "p_1", "j_1", "a_2", **ask)["reservation_id"] == "v4"
    desk.begin("m_1", "p_1", "j_1", "a_2")
    desk.report("release", "v4")
    assert desk.ask("m_1", "p_1", "j_1", "a_3", **ask)["allowed"]


def test_too_many_entities_are_over_their_budget() -> None:
    desk = budgeted(cost(1))
    with at_most(ENTITY_ACCOUNTS, 1):
        for number in range(3):
            desk.call(f"m_{number}", cost=2 * CENT)
    # What cannot be remembered is told all the same, each time.
    assert len(desk.said("budget_violation")) == 3
    assert desk.state.counters["account_refused"] == 2
