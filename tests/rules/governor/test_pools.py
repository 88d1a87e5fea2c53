"""Pools: what shares a key shares a budget, over a rolling window or a calendar period."""

from __future__ import annotations

from typing import Any

from tests.rules.governor.desk import CENT, IDS, Desk, at_most
from tests.rules.scenario import BASE, SECOND

from neurorail.rules.governor import accounts, pools
from neurorail.rules.manifest.condition import Condition
from neurorail.rules.manifest.limits import Limits
from neurorail.rules.manifest.model import FORMAT, Manifest, PoolRule, ReflexRule
from neurorail.rules.manifest.triggers import BurnRate
from neurorail.rules.manifest.windows import Window, Zone
from neurorail.rules.observations import Usage

HOUR = 3_600.0
ROLLING = Window(rolling_ms=60_000)
DAILY = Window(calendar="day")


def pooled(*rules: PoolRule, **more: Any) -> Manifest:
    return Manifest(
        format=FORMAT, name="test", version="1", default_mode="rail", pools=rules, **more
    )


def rule(cents: int = 10, window: Window = DAILY, **more: Any) -> PoolRule:
    limits = more.pop("limits", Limits(max_cost_usd_pico=cents * CENT))
    return PoolRule(id=more.pop("id", "spend"), window=window, limits=limits, **more)


def spend(desk: Desk, cents: int, mission: str = "m_1", **context: Any) -> dict[str, Any]:
    return desk.ask(mission, cost_usd_pico=cents * CENT, context=context)


# ── keys ─────────────────────────────────────────────────────────────────────────────────────


def test_a_pool_holds_across_missions_and_apart_by_key() -> None:
    desk = Desk(pooled(rule(10, key=("agent",))))
    assert spend(desk, 6, "m_1", agent="ann")["allowed"]
    refused = spend(desk, 6, "m_2", agent="ann")
    assert (refused["allowed"], refused["code"]) == (False, "NR-E002")
    (reason,) = refused["reasons"]
    assert reason["scope"] == {"pool": "spend", "key": '["ann"]'}
    assert reason["message"].startswith("pool spend has $0.04 of $0.1 left")
    assert spend(desk, 6, "m_2", agent="bob")["allowed"]
    # An absent key is a pool of its own.
    assert spend(desk, 10)["allowed"]
    assert not spend(desk, 1)["allowed"]
    assert desk.books("m_1", agent="ann") == {"m_1": (0, 16, 0), 'spend["ann"]': (0, 6, 0)}


def test_only_what_a_rule_is_for_is_in_its_pools() -> None:
    desk = Desk(pooled(rule(1, when=Condition({"model": "dear"}))))
    assert spend(desk, 5, model="cheap")["allowed"]
    assert not spend(desk, 5, model="dear")["allowed"]


def test_usage_counts_in_the_pools_of_the_call_whether_it_asked_or_not() -> None:
    desk = Desk(pooled(rule(10, key=("model",))))
    desk.call(*IDS, cost=4 * CENT)
    assert desk.books(model="gpt") == {'spend["gpt"]': (4, 0, 0)}
    granted = spend(desk, 6, model="gpt")
    assert granted["remaining"] == {"cost_usd_pico": 0}
    desk.call("m_1", reservation=granted["reservation_id"], cost=5 * CENT)
    assert desk.books(model="gpt") == {'spend["gpt"]': (9, 0, 0)}
    # Asked for one model, another one answered: both count.
    other = spend(desk, 3, model="mini")
    desk.call("m_1", reservation=other["reservation_id"], cost=CENT)
    assert desk.books(model="mini") == {'spend["mini"]': (1, 0, 0)}
    assert desk.books(model="gpt") == {'spend["gpt"]': (10, 0, 0)}


def test_reports_through_rest_count_in_the_pools_of_the_grant() -> None:
    desk = Desk(pooled(rule(10)))
    one = spend(desk, 5)["reservation_id"]
    desk.report("reconcile", one, cost_usd_pico=4 * CENT)
    assert desk.books()["spend[]"] == (4, 0, 0)
    desk.call("m_1", reservation=one, cost=6 * CENT)
    assert desk.books()["spend[]"] == (6, 0, 0)
    assert desk.books("m_1")["m_1"] == (6, 0, 0)


# ── windows ──────────────────────────────────────────────────────────────────────────────────


def test_a_calendar_pool_renews_when_its_period_ends() -> None:
    desk = Desk(pooled(rule(10)))
    day_s = 86_400
    into = (BASE // SECOND) % day_s
    left_s = day_s - into
    desk.call("m_1", cost=10 * CENT)
    refused = spend(desk, 1)
    ends = BASE + left_s * SECOND
    (budget,) = refused["budgets"]
    assert (budget["renews_at_unix_nano"], budget["left"]) == (ends, 0)
    assert refused["retry_after_ms"] == left_s * 1_000
    desk.wait(left_s)
    assert spend(desk, 10)["allowed"]


def test_usage_is_charged_to_the_window_of_its_grant() -> None:
    desk = Desk(pooled(rule(10)))
    left_s = 86_400 - (BASE // SECOND) % 86_400
    desk.now = left_s - 5.0
    granted = spend(desk, 6)["reservation_id"]
    unasked = spend(desk, 3)["reservation_id"]
    desk.wait(10)
    assert spend(desk, 10)["allowed"]
    desk.call("m_1", reservation=granted, cost=6 * CENT)
    desk.report("release", unasked)
    # Without a reservation, by the time of the call.
    desk.call("m_1", ago=8, cost=2 * CENT)
    assert desk.books()["spend[]"] == (0, 10, 0)
    desk.now -= 8
    state = desk.state
    (old, new) = [books for _, books in state.kept.of(pools.POOLS, "default")]
    assert (old.consumed[3], new.consumed[3]) == (8 * CENT, 0)


def test_windows_that_are_over_are_forgotten() -> None:
    desk = Desk(pooled(rule(10), rule(10, ROLLING, id="minute")))
    spend(desk, 5)
    assert desk.state.kept.total(pools.POOLS) == 2
    desk.wait(300)  # The lease is over: it waits for its usage, and so do the pools.
    assert desk.state.kept.total(pools.POOLS) == 2
    desk.wait(HOUR)
    assert desk.state.kept.total(pools.POOLS) == 1
    desk.wait(26 * HOUR)
    assert desk.state.kept.total(pools.POOLS) == 0
    assert desk.state.kept.total(accounts.ENTITY_ACCOUNTS) == 0


def test_a_rolling_pool_forgets_slice_by_slice() -> None:
    desk = Desk(pooled(rule(10, ROLLING)))
    desk.call("m_1", cost=4 * CENT)
    desk.wait(30)
    desk.call("m_1", cost=6 * CENT)
    refused = spend(desk, 3)
    assert refused["retry_after_ms"] == 31_000
    assert refused["budgets"][0]["renews_at_unix_nano"] == BASE + 61 * SECOND
    assert spend(desk, 5)["retry_after_ms"] == 61_000
    desk.wait(30.9)
    assert not spend(desk, 3)["allowed"]
    desk.wait(0.1)
    assert spend(desk, 3)["allowed"]
    # More than the limit is never granted.
    assert spend(desk, 11)["retry_after_ms"] is None
    # What comes so late that it would have left the window changes nothing.
    desk.call("m_1", ago=90, cost=CENT)
    assert desk.books()["spend[]"] == (6, 3, 0)
    assert desk.state.counters["pool_usage_outside"] == 1
    # Late, but inside: it finds its slice.
    desk.call("m_1", ago=31, cost=CENT)
    desk.call("m_1", ago=40, cost=CENT)
    assert desk.books()["spend[]"] == (8, 3, 0)


def test_a_day_of_a_named_zone() -> None:
    berlin = Zone(data_version="t", from_unix_s=(0,), offset_s=(0, 7_200))
    window = Window(calendar="day", zone="Europe/Berlin")
    desk = Desk(pooled(rule(10, window), zones={"Europe/Berlin": berlin}))
    local_day = 86_400 - (BASE // SECOND + 7_200) % 86_400
    desk.call("m_1", cost=10 * CENT)
    assert spend(desk, 1)["retry_after_ms"] == local_day * 1_000


def test_late_usage_of_a_window_that_is_forgotten_is_counted() -> None:
    desk = Desk(pooled(rule(10)))
    granted = spend(desk, 6)["reservation_id"]
    desk.wait(50 * HOUR)
    assert desk.state.kept.total(pools.POOLS) == 0
    desk.call("m_1", reservation=granted, cost=CENT)
    assert desk.state.counters["pool_usage_outside"] == 1
    assert desk.books("m_1")["m_1"] == (1, 0, 0)


def test_a_late_correction_counts_though_the_books_of_its_rolling_window_were_forgotten() -> None:
    desk = Desk(pooled(rule(10, ROLLING)))
    granted = spend(desk, 6)["reservation_id"]
    desk.report("reconcile", granted, cost_usd_pico=CENT)
    desk.wait(HOUR)
    assert desk.state.kept.total(pools.POOLS) == 0
    desk.report("reconcile", granted, cost_usd_pico=4 * CENT)
    assert desk.books()["spend[]"] == (3, 0, 0)
    # A window of another length is another pool, that this was not granted in.
    desk.hold(pooled(rule(10, Window(rolling_ms=30_000))))
    desk.wait(HOUR)
    desk.report("reconcile", granted, cost_usd_pico=9 * CENT)
    assert desk.books()["spend[]"] == (0, 0, 0)


# ── severities and warnings ──────────────────────────────────────────────────────────────────


def test_pools_warn_at_their_levels_and_tell_when_they_are_broken() -> None:
    desk = Desk(pooled(rule(10, warn_percent=(50, 90))))
    for cents in (4, 1, 1, 3, 1, 1, 1):
        desk.call("m_1", cost=cents * CENT)
    assert [one["percent"] for one in desk.said("budget_warning")] == [50, 90]
    (violation,) = desk.said("budget_violation")
    assert (violation["consumed"], violation["overshoot"]) == (11 * CENT, CENT)
    assert (violation["scope"], violation["severity"]) == (
        {"pool": "spend", "key": "[]"},
        "enforce",
    )


def test_mild_pools_refuse_nothing() -> None:
    desk = Desk(pooled(rule(1, id="soft", severity="warn"), rule(1, id="seen", severity="observe")))
    answer = spend(desk, 5)
    assert answer["allowed"]
    assert [one["rule_id"] for one in answer["reasons"]] == ["soft"]
    assert answer["remaining"] == {}
    desk.call("m_1", cost=1 * CENT)
    desk.call("m_1", cost=1 * CENT)
    # An observed pool records that it was passed, and warns of nothing.
    assert [one["rule_id"] for one in desk.said("budget_warning")] == ["soft"]
    assert [one["rule_id"] for one in desk.said("budget_violation")] == ["soft", "seen"]


def test_a_rolling_pool_warns_again_after_it_emptied() -> None:
    desk = Desk(pooled(rule(10, ROLLING)))
    for _ in range(2):
        desk.call("m_1", cost=8 * CENT)
        desk.call("m_1", cost=3 * CENT)
        desk.wait(120)
    desk.call("m_1", cost=1 * CENT)
    assert len(desk.said("budget_warning")) == len(desk.said("budget_violation")) == 2


def test_zero_in_a_pool_is_zero() -> None:
    desk = Desk(pooled(rule(0)))
    assert spend(desk, 1)["retry_after_ms"] is None
    desk.call("m_1", cost=0)
    assert desk.said("budget_warning") == desk.said("budget_violation") == []


def test_every_kind_of_limit_counts() -> None:
    limits = Limits(max_tokens=10, max_input_tokens=8, max_output_tokens=8, max_tool_calls=2,
                    max_model_calls=2, wall_time_ms=1_000)  # fmt: skip
    desk = Desk(pooled(rule(limits=limits)))
    asked: dict[str, Any] = {"tokens": 5, "tool_calls": 1, "model_calls": 1, "duration_ms": 600}
    assert desk.ask("m_1", **asked)["allowed"]
    refused = desk.ask("m_1", **asked)
    assert [one["kind"] for one in refused["reasons"]] == [
        "input_tokens", "output_tokens", "wall_time"
    ]  # fmt: skip
    desk.call("m_1", reservation="v1", usage=Usage("inference", input_tokens=7, output_tokens=2,
                                                   has_tokens=True))  # fmt: skip
    desk.call("m_1", usage=Usage("tool"), role="tool")
    (books,) = [books for _, books in desk.state.kept.of(pools.POOLS, "default")]
    assert books.consumed == [9, 7, 2, 0, 1, 1, 200, 0, 0]
    assert books.held(0) == 0


# ── bills that change ────────────────────────────────────────────────────────────────────────


def test_a_call_reported_by_two_spans_counts_once_in_pools_and_reservations() -> None:
    desk = Desk(pooled(rule(100)))
    granted = spend(desk, 20)["reservation_id"]
    desk.call(*IDS, span="outer", cost=9 * CENT, reservation=granted)
    assert desk.books("m_1") == {"m_1": (9, 0, 0), "spend[]": (9, 0, 0)}
    desk.call(*IDS, span="inner", parent="outer", cost=8 * CENT, reservation=granted)
    assert desk.books("m_1") == {"m_1": (8, 0, 0), "spend[]": (8, 0, 0)}
    # The same without a reservation.
    desk.call(*IDS, span="outer2", cost=9 * CENT)
    desk.call(*IDS, span="inner2", parent="outer2", cost=8 * CENT)
    assert desk.books("m_1") == {"m_1": (16, 0, 0), "spend[]": (16, 0, 0)}


def test_usage_that_moves_to_another_chain_moves_to_its_pools() -> None:
    desk = Desk(pooled(rule(100, key=("tag.team",)), rule(100, id="all")))
    desk.begin("m_1", tags=(("team", "blue"),))
    desk.call(span="call", parent="root", cost=5 * CENT)
    desk.wait(11)  # It found no ancestor in time, and got a chain of its own.
    assert desk.books() == {"spend[null]": (5, 0, 0), "all[]": (5, 0, 0)}
    desk.call(*IDS, span="root", role="agent", usage=Usage("inference"), cost=0)
    assert desk.books("m_1", **{"tag.team": "blue"}) == {
        "m_1": (5, 0, 0), 'spend["blue"]': (5, 0, 0), "all[]": (5, 0, 0)
    }  # fmt: skip
    assert desk.books()["spend[null]"] == (0, 0, 0)


# ── limits of the memory ─────────────────────────────────────────────────────────────────────


def test_too_many_pools() -> None:
    desk = Desk(pooled(rule(10, key=("agent",))))
    with at_most(pools.POOLS, 1):
        assert spend(desk, 1, agent="ann")["allowed"]
        assert spend(desk, 1, agent="bob")["code"] == "NR-E010"
        desk.call("m_1", cost=CENT)
    assert desk.books(agent="ann") == {'spend["ann"]': (0, 1, 0)}
    assert desk.state.counters["pool_refused"] == 2
    assert desk.books("m_1")["m_1"] == (1, 1, 0)


def test_the_burn_rate_looks_at_its_own_pool_alone() -> None:
    trigger = BurnRate(pool="spend", kind="cost", lookback_ms=60_000, min_used_percent=0)
    soon = ReflexRule(id="soon", trigger=trigger)
    desk = Desk(pooled(rule(10, id="other"), rule(100), reflexes=(soon,)))
    for _ in range(3):
        desk.wait(10)
        desk.call(*IDS, cost=9 * CENT)
    told = desk.said("trigger_activated")
    assert [one["trigger_id"] for one in told] == ["soon"]
    assert told[0]["evidence"]["left"] == 91 * CENT
