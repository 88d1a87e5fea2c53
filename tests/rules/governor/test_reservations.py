"""Reservations: set aside at once on every level, freed by whatever comes first."""

from __future__ import annotations

from tests.rules.governor.desk import CENT, IDS, Desk, at_most

from neurorail.rules.governor import accounts, reservations
from neurorail.rules.manifest.limits import Limits
from neurorail.rules.manifest.model import FORMAT, Manifest, PoolRule
from neurorail.rules.manifest.windows import Window
from neurorail.rules.observations import Budget


def limited(cents: int = 500, **more: int) -> Desk:
    desk = Desk()
    budget = Budget(max_cost_usd_pico=cents * CENT, **more)
    desk.begin("m_1", budget=budget)
    return desk


def test_a_grant_is_held_on_every_level_until_it_is_settled() -> None:
    desk = limited()
    answer = desk.ask(*IDS, cost_usd_pico=5 * CENT, tokens=100)
    assert (answer["allowed"], answer["code"], answer["mode"]) == (True, None, "direct")
    assert (answer["reservation_id"], answer["ttl_ms"]) == ("v1", 60_000)
    assert answer["remaining"] == {"cost_usd_pico": 495 * CENT}
    assert answer["reason"] == "no rule matches: the manifest's default holds"
    held = (0, 5, 0)
    assert desk.books(*IDS) == dict.fromkeys(IDS, held)
    desk.report("reconcile", "v1", cost_usd_pico=4 * CENT, tokens=90)
    assert desk.books(*IDS) == dict.fromkeys(IDS, (4, 0, 0))
    (settled,) = desk.said("reservation_settled")
    assert settled["how"] == "reconciled"
    assert settled["used"] == {
        "tokens": 90, "output_tokens": 90, "cost_usd_pico": 4 * CENT
    }  # fmt: skip
    assert settled["overshoot"] == {}


def test_exactly_the_limit_is_granted_and_no_more() -> None:
    desk = limited(10)
    assert desk.ask("m_1", cost_usd_pico=10 * CENT)["allowed"]
    refused = desk.ask("m_1", cost_usd_pico=1)
    assert (refused["allowed"], refused["code"]) == (False, "NR-E002")
    (reason,) = refused["reasons"]
    assert (reason["rule_id"], reason["severity"], reason["retriable"]) == (
        "own_budget", "enforce", True,
    )  # fmt: skip
    assert reason["retry_after_ms"] == refused["retry_after_ms"] == 1_000
    assert refused["recovery_strategy"] == "retry"
    # What is used up does not come back.
    desk.report("reconcile", "v1", cost_usd_pico=10 * CENT)
    never = desk.ask("m_1", cost_usd_pico=1)
    assert (never["retry_after_ms"], never["recovery_strategy"]) == (None, "rollback_required")
    # Nothing more of a kind is asked for: that may be.
    assert desk.ask("m_1", cost_usd_pico=0)["allowed"]


def test_zero_is_zero() -> None:
    desk = limited(0)
    refused = desk.ask("m_1", cost_usd_pico=1)
    assert not refused["allowed"]
    assert refused["retry_after_ms"] is None
    assert refused["remaining"] == {"cost_usd_pico": 0}


def test_the_largest_of_what_rest_and_spans_report_is_charged_once() -> None:
    desk = limited()
    for number, (rest, span, charged) in enumerate(((4, 3, 4), (3, 4, 4), (4, 4, 4)), 1):
        reservation = f"v{number * 2 - 1}"
        assert desk.ask("m_1", cost_usd_pico=5 * CENT)["reservation_id"] == reservation
        desk.report("reconcile", reservation, cost_usd_pico=rest * CENT)
        desk.call("m_1", "p_1", "j_1", "a_1", reservation=reservation, cost=span * CENT)
        assert desk.books("m_1")["m_1"] == (4 * number, 0, 0), (rest, span, charged)
    # The other way round: the span comes first and settles it, REST only raises it.
    desk.ask("m_1", cost_usd_pico=5 * CENT)
    desk.call("m_1", reservation="v7", cost=3 * CENT)
    assert desk.books("m_1")["m_1"] == (15, 0, 0)
    desk.report("reconcile", "v7", cost_usd_pico=5 * CENT)
    assert desk.books("m_1")["m_1"] == (17, 0, 0)
    desk.report("reconcile", "v7", cost_usd_pico=2 * CENT)
    assert desk.books("m_1")["m_1"] == (17, 0, 0)
    assert [one["how"] for one in desk.said("reservation_settled")] == [
        "reconciled", "settled", "reconciled", "settled", "reconciled", "settled",
        "settled", "reconciled", "reconciled",
    ]  # fmt: skip


def test_what_exceeds_the_estimate_is_overshoot() -> None:
    desk = limited(10)
    desk.ask("m_1", cost_usd_pico=10 * CENT)
    desk.call("m_1", reservation="v1", cost=12 * CENT)
    assert desk.said("reservation_settled")[0]["overshoot"]["cost_usd_pico"] == 2 * CENT
    (violation,) = desk.said("budget_violation")
    assert (violation["consumed"], violation["overshoot"]) == (12 * CENT, 2 * CENT)


def test_a_release_frees_at_once() -> None:
    desk = limited(10)
    desk.ask("m_1", cost_usd_pico=10 * CENT)
    desk.report("release", "v1")
    assert desk.books("m_1")["m_1"] == (0, 0, 0)
    assert desk.ask("m_1", cost_usd_pico=10 * CENT)["allowed"]
    assert desk.said("reservation_settled")[0]["how"] == "released"
    # Usage that comes all the same is charged.
    desk.call("m_1", reservation="v1", cost=3 * CENT)
    assert desk.books("m_1")["m_1"] == (3, 10, 0)


def test_a_reservation_that_nobody_knows() -> None:
    desk = limited()
    (event,) = desk.report("release", "v9")
    assert (event.type, event.data["operation"]) == ("reservation_unknown", "release")
    desk.call("m_1", reservation="v9", cost=CENT)
    assert desk.books("m_1")["m_1"] == (1, 0, 0)
    # Another tenant's is not known either.
    desk.ask("m_1", cost_usd_pico=CENT)
    desk.tenant = "umbrella"
    (event,) = desk.report("release", "v1")
    assert event.type == "reservation_unknown"


def test_a_reservation_of_another_chain_settles_nothing() -> None:
    desk = limited()
    desk.ask("m_1", cost_usd_pico=5 * CENT)
    desk.call("m_2", reservation="v1", cost=CENT)
    assert desk.books("m_1")["m_1"] == (0, 5, 0)
    assert desk.state.counters["reservations_misused"] == 1


# ── leases ───────────────────────────────────────────────────────────────────────────────────


def test_a_lease_ends_and_its_amount_waits_for_usage_then_is_freed() -> None:
    desk = limited()
    desk.ask(*IDS, cost_usd_pico=5 * CENT)
    desk.wait(59.9)
    assert desk.books(*IDS)["m_1"] == (0, 5, 0)
    desk.wait(0.2)
    assert desk.books(*IDS)["a_1"] == (0, 0, 5)
    (unsettled,) = desk.said("reservation_unsettled")
    assert (unsettled["reason"], unsettled["settle_ms"]) == ("its lease ended", 330_000)
    desk.wait(329.7)
    assert desk.books(*IDS)["m_1"] == (0, 0, 5)
    desk.wait(0.3)
    assert desk.books(*IDS)["m_1"] == (0, 0, 0)
    assert desk.said("reservation_settled")[0]["how"] == "expired"
    assert desk.state.kept.dirty == 0 or desk.state.kept.total(accounts.ENTITY_ACCOUNTS) == 0
    # Late usage is charged all the same, and told.
    desk.call("m_1", reservation="v1", cost=3 * CENT)
    assert desk.books("m_1")["m_1"] == (3, 0, 0)


def test_heartbeats_renew_leases() -> None:
    desk = limited()
    desk.ask(*IDS, cost_usd_pico=5 * CENT)
    for _ in range(3):
        desk.wait(50)
        desk.heartbeat(*IDS)
    assert desk.books(*IDS)["m_1"] == (0, 5, 0)
    desk.wait(61)
    assert desk.books(*IDS)["m_1"] == (0, 0, 5)


def test_downtime_moves_leases() -> None:
    desk = limited()
    desk.ask(*IDS, cost_usd_pico=5 * CENT)
    desk.now += 100
    # The record of the downtime comes before any tick.
    at_once = [runner.engine for runner in (desk.plain, desk.restarting)]
    assert all(engine.next_deadline() is not None for engine in at_once)
    desk.now -= 50
    desk.resume(100)
    desk.now += 50
    desk.wait(0)
    assert desk.books(*IDS)["m_1"] == (0, 5, 0)
    desk.wait(91)
    assert desk.books(*IDS)["m_1"] == (0, 0, 5)


def test_the_end_of_an_entity_ends_what_is_held_for_it() -> None:
    desk = limited()
    desk.begin(*IDS)
    desk.ask(*IDS, cost_usd_pico=5 * CENT)
    desk.ask("m_1", cost_usd_pico=7 * CENT)
    desk.end(*IDS)
    assert desk.books(*IDS)["m_1"] == (0, 7, 5)
    assert desk.said("reservation_unsettled")[0]["reason"] == "its attempt ended"
    desk.end("m_1", "p_1", "j_1")  # It waits already.
    desk.call("m_1", "p_1", "j_1", "a_1", reservation="v1", cost=4 * CENT)
    assert desk.books(*IDS)["m_1"] == (4, 7, 0)
    desk.end("m_1")
    desk.report("release", "v2")
    assert desk.books("m_1")["m_1"] == (4, 0, 0)
    # What ended already is asked for in vain.
    refused = desk.ask(*IDS, cost_usd_pico=0)
    assert refused["code"] == "NR-E301"
    assert [one["message"] for one in refused["reasons"]] == [
        "mission m_1 is already succeeded", "job j_1 is already succeeded",
        "attempt a_1 is already succeeded",
    ]  # fmt: skip


# ── children ─────────────────────────────────────────────────────────────────────────────────


def test_a_child_draws_from_its_parents_reservation_and_gives_back() -> None:
    desk = limited(100)
    desk.ask("m_1", "p_1", "j_1", cost_usd_pico=100 * CENT)
    assert not desk.ask(*IDS, cost_usd_pico=10 * CENT)["allowed"]
    assert desk.ask(*IDS, parent="v1", cost_usd_pico=10 * CENT)["allowed"]
    assert desk.books(*IDS) == {
        "m_1": (0, 100, 0), "p_1": (0, 100, 0), "j_1": (0, 100, 0), "a_1": (0, 10, 0)
    }  # fmt: skip
    desk.report("reconcile", "v3", cost_usd_pico=4 * CENT)
    assert desk.books(*IDS)["m_1"] == (4, 96, 0)
    # More than the parent has is asked for in vain, all of it is not.
    assert not desk.ask(*IDS, parent="v1", cost_usd_pico=97 * CENT)["allowed"]
    assert desk.ask(*IDS, parent="v1", cost_usd_pico=96 * CENT)["allowed"]
    # The parent goes first: what its child holds stays held.
    desk.report("release", "v1")
    assert desk.books(*IDS)["m_1"] == (4, 96, 0)
    desk.report("reconcile", "v5", cost_usd_pico=6 * CENT)
    assert desk.books(*IDS)["m_1"] == (10, 0, 0)


def test_only_a_live_parent_of_the_same_chain_is_drawn_from() -> None:
    desk = limited(100)
    desk.ask("m_1", "p_1", "j_1", cost_usd_pico=90 * CENT)
    other = desk.ask("m_1", "p_1", "j_2", parent="v1", cost_usd_pico=20 * CENT)
    assert not other["allowed"]
    desk.wait(61)
    unsettled = desk.ask(*IDS, parent="v1", cost_usd_pico=20 * CENT)
    assert not unsettled["allowed"]
    assert not desk.ask(*IDS, parent="nobody", cost_usd_pico=20 * CENT)["allowed"]


def test_a_child_that_uses_more_than_it_drew_gives_nothing_back() -> None:
    desk = limited(100)
    desk.ask("m_1", cost_usd_pico=50 * CENT)
    desk.ask(*IDS, parent="v1", cost_usd_pico=10 * CENT)
    desk.call(*IDS, reservation="v2", cost=15 * CENT)
    assert desk.books("m_1")["m_1"] == (15, 40, 0)


# ── attempts ─────────────────────────────────────────────────────────────────────────────────


def test_attempts_at_once_and_retries_are_reserved_until_they_run() -> None:
    desk = Desk()
    desk.begin("m_1", "p_1", "j_1", budget=Budget(max_parallel=2, max_retries=2))
    assert desk.ask("m_1", "p_1", "j_1", "a_1")["allowed"]
    assert desk.ask("m_1", "p_1", "j_1", "a_2")["allowed"]
    refused = desk.ask("m_1", "p_1", "j_1", "a_3")
    assert (refused["code"], refused["reasons"][0]["kind"]) == ("NR-E002", "parallel")
    desk.begin("m_1", "p_1", "j_1", "a_1")
    # It runs, and is no longer reserved; asked for again it takes no second place.
    assert not desk.ask("m_1", "p_1", "j_1", "a_3")["allowed"]
    assert desk.ask("m_1", "p_1", "j_1", "a_1")["allowed"]
    assert desk.ask("m_1", "p_1", "j_1", "a_2")["allowed"]
    desk.end("m_1", "p_1", "j_1", "a_1", transition="fail")
    desk.begin("m_1", "p_1", "j_1", "a_2")
    desk.end("m_1", "p_1", "j_1", "a_2", transition="fail")
    assert desk.ask("m_1", "p_1", "j_1", "a_3")["allowed"]
    exhausted = desk.ask("m_1", "p_1", "j_1", "a_4")
    assert (exhausted["code"], exhausted["reasons"][0]["kind"]) == ("NR-E003", "retries")
    assert [one["running"] for one in desk.said("parallelism_rejected")] == []
    # A call of an attempt takes no place of an attempt.
    assert desk.ask("m_1", "p_1", "j_1", "a_4", "r_1")["allowed"]


def test_a_grant_that_waits_for_its_usage_gives_its_place_to_the_attempt_that_runs() -> None:
    pool = PoolRule(id="all", window=Window(calendar="day"), limits=Limits(max_tokens=10**9))
    desk = Desk(Manifest(format=FORMAT, name="t", version="1", default_mode="rail", pools=(pool,)))
    desk.begin("m_1", "p_1", "j_1", budget=Budget(max_parallel=1))
    desk.ask("m_1", "p_1", "j_1", "a_1", tokens=1)
    desk.wait(61)
    assert not desk.ask("m_1", "p_1", "j_1", "a_2", tokens=1)["allowed"]
    desk.begin("m_1", "p_1", "j_1", "a_1")
    desk.end("m_1", "p_1", "j_1", "a_1")
    assert desk.ask("m_1", "p_1", "j_1", "a_2", tokens=1)["allowed"]


def test_a_timeout_that_has_passed_or_would_refuses() -> None:
    desk = limited(timeout_ms=10_000)
    assert desk.ask("m_1", cost_usd_pico=0, duration_ms=10_000)["allowed"]
    refused = desk.ask("m_1", cost_usd_pico=0, duration_ms=10_001)
    assert (refused["code"], refused["retry_after_ms"]) == ("NR-E001", None)
    desk.wait(9)
    assert desk.ask("m_1", cost_usd_pico=0, duration_ms=900)["allowed"]
    desk.wait(1)
    assert desk.ask("m_1", cost_usd_pico=0, duration_ms=0)["code"] == "NR-E001"


# ── limits of the memory ─────────────────────────────────────────────────────────────────────


def test_too_many_reservations() -> None:
    desk = limited()
    with at_most(reservations.OPEN, 1):
        assert desk.ask("m_1", cost_usd_pico=CENT)["allowed"]
        refused = desk.ask("m_1", cost_usd_pico=CENT)
    assert (refused["code"], refused["retry_after_ms"]) == ("NR-E010", 1_000)
    assert desk.books("m_1")["m_1"] == (0, 1, 0)
    assert desk.state.counters["reservation_refused"] == 1


def test_closed_reservations_are_forgotten_one_day() -> None:
    desk = limited()
    with at_most(reservations.REMEMBERED, 1):
        for _ in range(2):
            desk.report("release", desk.ask("m_1", cost_usd_pico=CENT)["reservation_id"])
    (event,) = desk.report("release", "v1")
    assert event.type == "reservation_unknown"
