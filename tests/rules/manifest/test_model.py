import json

import pytest

from neurorail.rules.manifest.actions import ACTIONS, Alert, Suspend
from neurorail.rules.manifest.condition import Condition
from neurorail.rules.manifest.default import shipped
from neurorail.rules.manifest.limits import FIELD_OF_KIND, KINDS, Limit, Limits
from neurorail.rules.manifest.model import (
    BudgetRule,
    Budgets,
    Manifest,
    ModeRule,
    PoolRule,
    ReflexRule,
)
from neurorail.rules.manifest.settings import Estimate, Estimates
from neurorail.rules.manifest.triggers import TRIGGERS, ConditionMet, ErrorRate
from neurorail.rules.manifest.windows import UTC_ZONE, Window, Zone

LLM = Condition({"job_type": "llm_call"})
BERLIN = Zone(data_version="test", from_unix_s=(), offset_s=(3_600,))
FULL = Manifest(
    format=1,
    name="full",
    version="2.0",
    default_mode="direct",
    mode_rules=(ModeRule(id="llm", when=LLM, mode="rail"),),
    budgets=Budgets(
        defaults=(
            BudgetRule(id="jobs", level="job", limits=Limits(max_tokens=1_000, max_retries=3)),
            BudgetRule(id="all", level="job", limits=Limits(max_tokens=2_000)),
            BudgetRule(
                id="noted", level="job", severity="observe", limits=Limits(max_tokens=10)
            ),
        ),
        overrides=(
            BudgetRule(id="llm", level="job", when=LLM, limits=Limits(max_tokens=5_000)),
            BudgetRule(
                id="mini",
                level="job",
                when=Condition({"model": "mini"}),
                limits=Limits(max_tokens=4_000, max_cost_usd_pico=7),
                warn_percent=(50, 90),
            ),
        ),
    ),
    pools=(
        PoolRule(
            id="day",
            key=("agent", "tag.team"),
            window=Window(calendar="day", zone="Europe/Berlin"),
            limits=Limits(max_cost_usd_pico=5),
        ),
        PoolRule(id="hour", window=Window(rolling_ms=5), limits=Limits(wall_time_ms=5)),
    ),
    reflexes=(
        ReflexRule(
            id="errors",
            per=("provider",),
            trigger=ErrorRate(window_ms=60_000, percent=50),
            actions=(Suspend(), Alert()),
        ),
        ReflexRule(
            id="long", trigger=ConditionMet(window_ms=5, count=2, holds=Condition({"failed": True}))
        ),
    ),
    prices=({"match": {"equals": "x"}, "prices": [{"input_mtok": "1"}]},),
    attributes={"agent": ("my.agent",)},
    zones={"Europe/Berlin": BERLIN},
)  # fmt: skip


def test_manifest_comes_back_from_its_canonical_form() -> None:
    again = Manifest.from_json(FULL.json)
    assert again == FULL
    assert again.sha256 == FULL.sha256
    assert FULL.json == json.dumps(
        json.loads(FULL.json), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()  # fmt: skip


def test_shipped_manifest_limits_nothing_and_estimates() -> None:
    manifest = shipped()
    assert Manifest.from_json(manifest.json) == manifest
    assert manifest.default_mode == "direct"
    assert manifest.budget_levels == ()
    assert manifest.estimates.for_job_type("tool_execution").tool_calls == 1
    assert manifest.estimates.for_job_type(None) == manifest.estimates.default


def test_hash_covers_everything() -> None:
    plain = json.loads(FULL.json)
    plain["times"]["settle_ms"] += 1
    assert Manifest.from_json(json.dumps(plain).encode()).sha256 != FULL.sha256


def test_field_that_is_missing_has_its_default() -> None:
    plain = json.loads(FULL.json)
    del plain["times"]["settle_ms"]
    assert Manifest.from_json(json.dumps(plain).encode()) == FULL


@pytest.mark.parametrize(
    ("canonical", "message"),
    [
        (b"[]", "no manifest that this version reads"),
        (b"x", "Expecting value"),
        (b"{}", "no manifest that this version reads"),
        (b'{"surprise": 1}', "Manifest has no field 'surprise': it is from a newer version"),
        (b'{"reflexes": [{"trigger": {"hunch": {}}}]}', "'hunch' is unknown: it is from a newer"),
    ],
)
def test_what_is_no_manifest_is_refused(canonical: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Manifest.from_json(canonical)


def test_override_replaces_the_default_and_the_strictest_holds() -> None:
    limits = FULL.entity_limits("job", {"job_type": "llm_call", "model": "mini"})
    assert limits == (
        Limit("tokens", 4_000, "enforce", (50, 90), "mini"),
        Limit("cost", 7, "enforce", (50, 90), "mini"),
        Limit("retries", 3, "enforce", (80,), "jobs"),
    )


def test_default_holds_where_no_override_matches() -> None:
    limits = FULL.entity_limits("job", {"job_type": "tool_execution"})
    assert limits == (
        Limit("tokens", 10, "observe", (80,), "noted"),
        Limit("tokens", 1_000, "enforce", (80,), "jobs"),
        Limit("retries", 3, "enforce", (80,), "jobs"),
    )
    assert FULL.entity_limits("mission", {}) == ()
    assert FULL.entity_limits("resource", {}) == ()
    assert FULL.limits_at("job") is not None


def test_pool_key_tells_absent_from_empty() -> None:
    pool = FULL.pool("day")
    assert pool is not None
    assert pool.key_of({"agent": "a", "tag.team": "é"}) == '["a","é"]'
    assert pool.key_of({"agent": ""}) == '["",null]'
    assert FULL.pools[1].key_of({"agent": "a"}) == "[]"
    assert FULL.reflexes[0].key_of({}) == "[null]"
    assert FULL.pool("nobody") is None
    assert FULL.zone(pool.window) is BERLIN
    assert FULL.zone(FULL.pools[1].window) is UTC_ZONE


def test_rule_that_enforces_matches_where_its_condition_cannot_be_decided() -> None:
    undecided = Condition({"cel": "tag.nobody == 'x'"})
    assert ModeRule(id="x", when=undecided).when.matches({})
    assert not ModeRule(id="x", when=undecided, severity="warn").when.matches({})
    assert ModeRule(id="x", when=undecided, severity="warn", on_error="match").when.matches({})
    assert not ModeRule(id="x", when=undecided, on_error="no_match").when.matches({})
    trigger = ConditionMet(window_ms=1, holds=undecided)
    for severity, matches in (("enforce", True), ("observe", False)):
        rule = ReflexRule(id="x", trigger=trigger, severity=severity)
        assert isinstance(rule.trigger, ConditionMet)
        assert rule.trigger.holds.matches({}) is matches


def test_limits_are_listed_in_the_order_of_their_kinds() -> None:
    assert list(FIELD_OF_KIND) == list(KINDS)
    limits = Limits(max_parallel=0, max_tokens=5)
    assert limits.stated() == (("tokens", 5), ("parallel", 0))
    assert limits.get("cost") is None


def test_every_trigger_and_action_has_one_name() -> None:
    assert len(set(TRIGGERS.values())) == len(TRIGGERS) == 11
    assert len(set(ACTIONS.values())) == len(ACTIONS) == 5


def test_estimate_of_a_job_type() -> None:
    estimates = Estimates(by_job_type={"x": Estimate(tokens=1)})
    assert estimates.for_job_type("x") == Estimate(tokens=1)
    assert estimates.for_job_type("y") == Estimate()
