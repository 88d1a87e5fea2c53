"""A shadow's pools: what they would have refused, had the shadow been in force."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.rules.governor.desk import CENT, IDS, Desk, at_most

from neurorail.rules.governor import shadow_pools
from neurorail.rules.governor.shadow_pools import GRANTS, SHADOW_POOLS
from neurorail.rules.manifest.load import load
from neurorail.rules.manifest.model import Manifest
from neurorail.rules.manifest.records import COMPARED, Compared
from neurorail.rules.observations import ManifestDrafted, ManifestMoved, Usage

HEAD = "neurorail_manifest: 1\nname: tried\nversion: '2'\ndefault_mode: rail\n"
FIVE_CENTS = "pools: [{id: spend, window: {rolling: 1h}, limits: {max_cost_usd: 0.05}}]\n"


def tried(rest: str) -> Manifest:
    return load(HEAD + rest)


def beside(shadow: Manifest, active: str = "") -> Desk:
    """A desk at which a manifest is a shadow of one without pools."""
    desk = Desk()
    before = load(HEAD.replace("'2'", "'1'") + "gate: {min_evaluations: 0}\n" + active)
    for canonical, version, action in (
        (before.json, "1", "activate"),
        (shadow.json, "2", "shadow"),
    ):
        desk.send(ManifestDrafted(canonical))
        desk.send(ManifestMoved(version, action, "test", forced=True))
    return desk


def refused(desk: Desk) -> list[str]:
    """Which of its rules the shadow named last."""
    return desk.said("shadow_diverged")[-1]["refused_by"] if desk.said("shadow_diverged") else []


def numbers(desk: Desk) -> Compared:
    found: Compared = desk.state.kept.get(COMPARED, "default", "2")
    return found


def books(desk: Desk) -> dict[str, tuple[int, int]]:
    """Cost consumed and held in the shadows' books, in cents."""
    return {
        name: (one.consumed[3] // CENT, one.held(3) // CENT)
        for name, one in desk.state.kept.of(SHADOW_POOLS, "default")
    }


def test_a_tightened_pool_shows_in_the_gate() -> None:
    desk = beside(tried(FIVE_CENTS))
    for number in range(10):
        assert desk.ask(*IDS[:3], f"a_{number}", cost_usd_pico=CENT)["allowed"]
    assert refused(desk) == ["spend"]
    assert numbers(desk) == Compared(10, 0, 10, 5, 0)
    (event,) = desk.send(ManifestMoved("2", "activate", "now"))
    assert event.type == "manifest_refused"
    assert "50 % newly refused, at most 10 % are allowed" in event.data["reason"]


@pytest.mark.parametrize("seed", range(3))
def test_a_shadow_refuses_what_it_would_refuse_if_it_were_in_force(seed: int) -> None:
    """Whatever is asked, used and left alone, everybody doing otherwise the same."""
    rest = """
pools:
- {id: spend, key: [job_type], window: {rolling: 1m}, limits: {max_cost_usd: 0.09}}
- {id: all, window: {calendar: minute}, limits: {max_cost_usd: 0.2, max_tokens: 900}}
estimates: {default: {tokens: 10, cost_usd: 0.01, tool_calls: 0, duration: 1s}}
"""
    estimates = rest[rest.index("estimates") :]
    shadowed, in_force = beside(tried(rest), estimates), Desk(tried(rest))
    rnd = random.Random(seed)
    live: list[str] = []
    compared = 0
    for number in range(60):
        step = rnd.random()
        seconds = rnd.randrange(9)
        for desk in (shadowed, in_force):
            desk.wait(seconds)
        if step < 0.6:
            ids = ("m_1", "p_1", "j_1", f"a_{number}")
            asked: dict[str, Any] = {
                "job_type": rnd.choice(["llm_call", "tool_execution"]),
                "cost_usd_pico": rnd.randrange(1, 5) * CENT,
                "tokens": rnd.randrange(200),
            }
            before = len(shadowed.said("shadow_diverged"))
            first = shadowed.ask(*ids, **asked)
            second = in_force.ask(*ids, **asked)
            assert first["allowed"]
            (said,) = shadowed.said("shadow_diverged")[before:]
            named = {one["rule_id"] for one in second["reasons"] if one["severity"] == "enforce"}
            assert set(said["refused_by"]) == (set() if second["allowed"] else named)
            compared += not second["allowed"]
            name = first["reservation_id"]
            if second["allowed"]:
                live.append(f"{name}/{second['reservation_id']}")
            else:  # It is used nonetheless, which is nothing to the shadow.
                shadowed.call(*ids, reservation=name, cost=9 * CENT, tokens=99)
        elif live:
            mine, its = live.pop(rnd.randrange(len(live))).split("/")
            cost = rnd.randrange(5) * CENT
            operation = rnd.choice(["reconcile", "release"])
            used = {"cost_usd_pico": cost} if operation == "reconcile" else {}
            shadowed.report(operation, mine, **used)
            in_force.report(operation, its, **used)
    assert compared > 3


def test_usage_of_a_grant_is_charged_where_it_was_held_and_other_usage_where_it_belongs() -> None:
    desk = beside(tried(FIVE_CENTS.replace("window", "key: [agent], window")))
    granted = desk.ask(*IDS, context={"agent": "a"}, cost_usd_pico=3 * CENT)["reservation_id"]
    assert books(desk) == {'2|spend~3600000|["a"]': (0, 3)}
    desk.call(*IDS, reservation=granted, cost=2 * CENT)
    desk.call(*IDS, cost=1 * CENT)
    mine, others = books(desk).values()
    assert (mine, others) == ((2, 0), (3, 0))
    desk.report("reconcile", granted, cost_usd_pico=4 * CENT)
    assert next(iter(books(desk).values())) == (4, 0)


def test_what_is_taken_back_is_taken_back_in_shadows() -> None:
    desk = beside(tried(FIVE_CENTS))
    usage = Usage("inference", response_id="x", cost_usd_pico=CENT, has_tokens=True)
    desk.call(*IDS, span="outer", usage=usage)
    assert list(books(desk).values()) == [(1, 0)]
    desk.call(*IDS, span="inner", parent="outer", usage=usage)
    assert list(books(desk).values()) == [(1, 0)]


def test_attempts_use_up_time_and_retries_of_shadows() -> None:
    limits = "{max_wall_time: 5s, max_retries: 1}"
    desk = beside(tried(f"pools: [{{id: work, window: {{rolling: 1h}}, limits: {limits}}}]\n"))
    for number in range(3):
        desk.begin(*IDS[:3], f"a_{number}")
        desk.wait(2)
        desk.end(*IDS[:3], f"a_{number}", transition="fail")
    ((_, account),) = desk.state.kept.of(SHADOW_POOLS, "default")
    assert account.consumed[6:8] == [6_000, 2]


def test_a_looser_pool_allows_more() -> None:
    loose = FIVE_CENTS.replace("0.05", "0.50")
    desk = beside(tried(loose), FIVE_CENTS)
    for number in range(6):
        desk.ask(*IDS[:3], f"a_{number}", cost_usd_pico=CENT)
    assert numbers(desk) == Compared(6, 0, 6, 0, 1)


def test_pools_in_another_order_are_no_other_limits() -> None:
    one, two = (f"- {{id: {n}, window: {w}, limits: {{max_tokens: 9}}}}\n" for n, w in (
        ("a", "{calendar: day}"), ("b", "{rolling: 1m}")))  # fmt: skip
    desk = beside(tried(f"pools:\n{one}{two}"), f"pools:\n{two}{one}")
    desk.ask(*IDS, tokens=1)
    assert numbers(desk) == Compared(1, 0, 0, 0, 0)


def test_windows_that_are_over_are_forgotten() -> None:
    desk = beside(tried(FIVE_CENTS))
    granted = desk.ask(*IDS, cost_usd_pico=CENT)["reservation_id"]
    desk.wait(30)
    desk.report("reconcile", granted, cost_usd_pico=CENT)
    desk.wait(1_800)
    assert len(books(desk)) == 1
    desk.wait(7_200)
    assert books(desk) == {}
    desk.report("reconcile", granted, cost_usd_pico=3 * CENT)
    assert desk.state.counters["shadow_pool_usage_outside"] == 1


def test_books_beyond_the_limit_limit_nothing() -> None:
    desk = beside(tried(FIVE_CENTS.replace("window", "key: [job_id], window")))
    with at_most(SHADOW_POOLS, 1):
        desk.ask("m_1", "p_1", "j_1", "a_1", cost_usd_pico=CENT)
        desk.ask("m_1", "p_1", "j_2", "a_2", cost_usd_pico=CENT)
        desk.call("m_1", "p_1", "j_2", "a_2", cost=CENT)
    assert len(books(desk)) == 1
    assert desk.state.counters["shadow_pool_refused"] == 2


@pytest.mark.interpreted
def test_the_oldest_grant_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow_pools, "GRANTS_MAX", 2)
    desk = beside(tried(FIVE_CENTS))
    names = [desk.ask(*IDS[:3], f"a_{n}", cost_usd_pico=CENT)["reservation_id"] for n in range(3)]
    assert list(books(desk).values()) == [(0, 2)]
    for name in names[:2]:
        desk.report("release", name)
    assert list(books(desk).values()) == [(0, 1)]
    desk.ask(*IDS[:3], "a_3", cost_usd_pico=CENT)  # What goes now was settled already.
    assert list(books(desk).values()) == [(0, 2)]
    assert desk.state.counters["shadow_grants_dropped"] == 2


def test_what_is_no_shadow_any_more_has_no_books() -> None:
    desk = beside(tried(FIVE_CENTS))
    other = load(HEAD.replace("'2'", "'3'") + FIVE_CENTS)
    desk.ask(*IDS, cost_usd_pico=CENT)
    desk.send(ManifestDrafted(other.json))
    desk.send(ManifestMoved("3", "shadow"))
    desk.ask(*IDS[:3], "a_2", cost_usd_pico=CENT)
    desk.report("release", "v1")  # Only one of them knows of it.
    desk.send(ManifestMoved("2", "retire"))
    assert list(books(desk).items()) == [("3|spend~3600000|[]", (0, 1))]
    assert [name for name, _ in desk.state.kept.of(GRANTS, "default")] == ["3|v2"]
    desk.report("release", "v2")
    assert list(books(desk).values()) == [(0, 0)]


def test_a_shadow_without_pools_keeps_nothing() -> None:
    desk = beside(tried(""), FIVE_CENTS)
    desk.call(*IDS, cost=CENT)
    granted = desk.ask(*IDS, cost_usd_pico=CENT)["reservation_id"]
    desk.report("reconcile", granted, cost_usd_pico=2 * CENT)
    assert list(desk.state.kept.of(GRANTS, "default")) == []
