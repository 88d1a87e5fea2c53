"""Answers: the strictest of everything that matches, the same when asked twice."""

from __future__ import annotations

from typing import Any

from tests.rules.governor.desk import CENT, IDS, Desk, at_most

from neurorail.rules.governor import accounts, idempotency
from neurorail.rules.governor.decided import RECENT_MAX, decided
from neurorail.rules.governor.reasons import Reason, ordered, retry_after_ms
from neurorail.rules.manifest.condition import Condition
from neurorail.rules.manifest.limits import Limits
from neurorail.rules.manifest.model import FORMAT, BudgetRule, Budgets, Manifest, ModeRule
from neurorail.rules.manifest.settings import Estimate, Estimates, Policies
from neurorail.rules.observations import Budget, Usage


def manifest(**sections: Any) -> Manifest:
    return Manifest(
        format=FORMAT, name="test", version="7", **{"default_mode": "direct", **sections}
    )


def modes(*rules: ModeRule, **more: Any) -> Desk:
    return Desk(manifest(mode_rules=rules, **more))


# ── mode rules ───────────────────────────────────────────────────────────────────────────────


def test_no_rule_matches_and_the_default_says_so() -> None:
    desk = modes(default_mode="rail", default_recovery="rollback_required")
    answer = desk.ask(*IDS)
    assert (answer["mode"], answer["recovery_strategy"]) == ("rail", "rollback_required")
    assert answer["reason"] == "no rule matches: the manifest's default holds"
    assert (answer["matched_rules"], answer["manifest_version"]) == ([], "7")


def test_all_rules_that_match_count_and_the_strictest_wins() -> None:
    desk = modes(
        ModeRule(id="mild", mode="direct", recovery="retry"),
        ModeRule(id="llm", mode="rail", when=Condition({"job_type": "llm_call"})),
        ModeRule(id="careful", recovery="manual_confirm"),
        ModeRule(id="seen", mode="rail", effect="refuse", severity="observe"),
        ModeRule(id="other", effect="refuse", when=Condition({"job_type": "other"})),
    )
    answer = desk.ask(*IDS)
    assert (answer["mode"], answer["recovery_strategy"]) == ("rail", "manual_confirm")
    assert answer["matched_rules"] == ["mild", "llm", "careful", "seen"]
    assert answer["reason"] == "rule mild matches"
    assert answer["allowed"]
    refused = desk.ask(*IDS, job_type="other")
    assert (refused["mode"], refused["code"]) == ("direct", "NR-E200")
    assert refused["reason"] == "rule other says refuse"


def test_effects_of_mode_rules() -> None:
    def seen(effect: str, **more: Any) -> dict[str, Any]:
        return modes(ModeRule(id="r", effect=effect, **more)).ask(*IDS)

    warned = seen("warn", reason="look out")
    assert (warned["allowed"], warned["reason"]) == (True, "look out")
    assert warned["reasons"][0]["severity"] == "warn"
    confirm = seen("confirm")
    assert (confirm["code"], confirm["recovery_strategy"]) == ("NR-E009", "manual_confirm")
    own = seen("refuse", code="NR-E207", reason="not on Sundays")
    assert (own["code"], own["reason"], own["retry_after_ms"]) == (
        "NR-E207", "not on Sundays", None,
    )  # fmt: skip
    assert own["recovery_strategy"] == "rollback_required"
    only_warns = seen("refuse", severity="warn")
    assert (only_warns["allowed"], only_warns["reasons"][0]["code"]) == (True, "")


def test_reasons_are_ordered_by_strictness() -> None:
    def reason(code: str, wait: int | None = None, severity: str = "enforce") -> Reason:
        return Reason("r", code, severity, "", wait)

    mixed = [
        reason("NR-E008", severity="warn"), reason("NR-E002", 5), reason("NR-E002"),
        reason("NR-E207"), reason("NR-E010", 9), reason("NR-E301"), reason("NR-E008"),
    ]  # fmt: skip
    assert [(one.code, one.retry_after_ms) for one in ordered(mixed)] == [
        ("NR-E008", None), ("NR-E207", None), ("NR-E301", None), ("NR-E002", None), ("NR-E002", 5),
        ("NR-E010", 9), ("NR-E008", None),
    ]  # fmt: skip
    assert retry_after_ms([reason("a", 5), reason("b", 9)]) == 9
    assert retry_after_ms([reason("a", 5), reason("b")]) is None
    assert retry_after_ms([]) is None


# ── budgets of the manifest ──────────────────────────────────────────────────────────────────


def test_the_manifests_budgets_hold_beside_the_entitys_own() -> None:
    rules = (
        BudgetRule(id="jobs", level="job", limits=Limits(max_cost_usd_pico=10 * CENT),
                   when=Condition({"job_type": "llm_call"})),
        BudgetRule(id="soft", level="mission", limits=Limits(max_cost_usd_pico=1), severity="warn"),
        BudgetRule(id="quiet", level="mission", limits=Limits(max_tokens=1), severity="observe"),
    )  # fmt: skip
    desk = Desk(manifest(budgets=Budgets(defaults=rules)))
    answer = desk.ask(*IDS, cost_usd_pico=10 * CENT, tokens=7)
    assert answer["allowed"]
    assert [(one["rule_id"], one["severity"]) for one in answer["reasons"]] == [("soft", "warn")]
    assert answer["matched_rules"] == ["soft"]
    refused = desk.ask(*IDS, cost_usd_pico=1)
    assert [one["rule_id"] for one in refused["reasons"]] == ["jobs", "soft"]
    assert desk.ask(*IDS, job_type="tool_execution", cost_usd_pico=CENT)["allowed"]
    desk.begin("m_2", budget=Budget(max_cost_usd_pico=0))
    assert desk.ask("m_2", cost_usd_pico=1)["reasons"][0]["rule_id"] == "own_budget"


# ── estimates ────────────────────────────────────────────────────────────────────────────────


def test_what_is_not_estimated_is_the_manifests_estimate() -> None:
    estimate = Estimate(tokens=8, cost_usd_pico=CENT, tool_calls=2, duration_ms=50)
    desk = Desk(manifest(estimates=Estimates(by_job_type={"llm_call": estimate})))
    assert desk.ask("m_1")["reserved"] == {
        "tokens": 8, "input_tokens": 8, "output_tokens": 8, "cost_usd_pico": CENT,
        "tool_calls": 2, "model_calls": 1, "wall_time": 50,
    }  # fmt: skip
    stated = desk.ask("m_1", input_tokens=2, output_tokens=3, cost_usd_pico=0, duration_ms=0,
                      tool_calls=0, model_calls=4)  # fmt: skip
    assert stated["reserved"] == {
        "tokens": 5, "input_tokens": 2, "output_tokens": 3, "model_calls": 4
    }  # fmt: skip


def test_a_refusal_says_whether_the_manifest_estimated() -> None:
    estimate = Estimate(tokens=8)
    desk = Desk(manifest(estimates=Estimates(by_job_type={"llm_call": estimate})))
    desk.begin("m_1", budget=Budget(max_tokens=5))
    first = desk.ask("m_1")
    assert first["reason"] == (
        "mission m_1 has 5 of 5 tokens left, 8 estimated by the manifest, as none is stated"
    )
    assert desk.ask("m_1", tokens=6)["reason"] == "mission m_1 has 5 of 5 tokens left, 6 asked"


def test_what_nobody_estimates_is_all_that_is_left_never_nothing() -> None:
    desk = Desk(manifest())
    desk.begin("m_1", budget=Budget(max_cost_usd_pico=9 * CENT, max_tokens=100, max_tool_calls=3))
    first = desk.ask("m_1", tokens=40)
    assert first["estimated"] == ["cost_usd_pico", "tool_calls"]
    assert first["reserved"]["cost_usd_pico"] == 9 * CENT
    assert first["remaining"] == {"tokens": 60, "cost_usd_pico": 0, "tool_calls": 0}
    second = desk.ask("m_1", tokens=40)
    assert [(one["kind"], one["asked"]) for one in second["reasons"]] == [
        ("cost", 1), ("tool_calls", 1)
    ]  # fmt: skip
    assert desk.ask("m_2")["reserved"] == {"model_calls": 1}
    assert desk.ask("m_2", job_type="tool_execution")["reserved"] == {}


# ── overrides ────────────────────────────────────────────────────────────────────────────────


def test_an_override_is_granted_whatever_the_rules_say_and_marked() -> None:
    desk = modes(ModeRule(id="never", effect="refuse"))
    desk.begin("m_1", budget=Budget(max_cost_usd_pico=CENT))
    answer = desk.ask("m_1", override="the building burns", cost_usd_pico=5 * CENT)
    assert (answer["allowed"], answer["code"]) == (True, None)
    assert answer["reason"] == "allowed by override: the building burns"
    assert desk.said("override_used") == [{"decision_id": "d1", "reason": "the building burns"}]
    assert desk.books("m_1")["m_1"] == (0, 5, 0)
    plain = Desk().ask("m_1", override="no need")
    assert plain["reason"] == "no rule matches: the manifest's default holds"


# ── asked twice ──────────────────────────────────────────────────────────────────────────────


def test_the_same_request_gets_the_same_answer() -> None:
    desk = Desk()
    desk.begin("m_1", budget=Budget(max_cost_usd_pico=10 * CENT))
    first = desk.ask("m_1", key="k", sha256="x", cost_usd_pico=6 * CENT)
    desk.wait(10)
    again = desk.ask("m_1", key="k", sha256="x", cost_usd_pico=6 * CENT)
    assert (again.pop("event"), first.pop("event")) == ("decision_repeated", "mode_decided")
    assert again == {**first, "ttl_ms": 50_000}
    assert desk.books("m_1")["m_1"] == (0, 6, 0)
    assert desk.ask("m_1", key="k", sha256="y") == {"conflict": ["idempotency_conflict"]}
    # Another tenant's keys are its own.
    desk.tenant = "umbrella"
    assert desk.ask("m_1", key="k", sha256="y")["event"] == "mode_decided"


def test_an_answer_whose_lease_is_gone_is_decided_anew() -> None:
    desk = Desk()
    first = desk.ask("m_1", key="k", cost_usd_pico=CENT)
    desk.wait(61)
    second = desk.ask("m_1", key="k", cost_usd_pico=CENT)
    assert (first["reservation_id"], second["reservation_id"]) == ("v1", "v2")
    desk.report("release", "v2")
    assert desk.ask("m_1", key="k", cost_usd_pico=CENT)["reservation_id"] == "v3"


def test_a_refusal_is_repeated_until_trying_again_can_help() -> None:
    desk = Desk()
    desk.begin("m_1", budget=Budget(max_cost_usd_pico=10 * CENT))
    held = desk.ask("m_1", cost_usd_pico=10 * CENT)["reservation_id"]
    assert not desk.ask("m_1", key="k", cost_usd_pico=CENT)["allowed"]
    never = desk.ask("m_1", key="never", cost_usd_pico=11 * CENT)
    assert never["retry_after_ms"] is None
    desk.report("release", held)
    assert desk.ask("m_1", key="k", cost_usd_pico=CENT)["event"] == "decision_repeated"
    desk.wait(1.001)
    assert desk.ask("m_1", key="k", cost_usd_pico=CENT)["allowed"]
    again = desk.ask("m_1", key="never", cost_usd_pico=11 * CENT)
    assert again["event"] == "decision_repeated"


def test_only_the_newest_answers_are_remembered() -> None:
    desk = Desk()
    with at_most(idempotency.ANSWERS, 1):
        desk.ask("m_1", key="a")
        desk.ask("m_1", key="b")
        assert desk.ask("m_1", key="a")["event"] == "mode_decided"


# ── numbers ──────────────────────────────────────────────────────────────────────────────────


def test_decisions_are_counted_by_tenant() -> None:
    desk = modes(ModeRule(id="r", mode="rail", effect="refuse", when=Condition({"job_type": "x"})))
    for number in range(RECENT_MAX + 5):
        desk.ask(f"m_{number}", job_type="x" if number % 5 == 0 else "llm_call")
    for runner in (desk.plain, desk.restarting):
        found = decided(runner.engine.state, "default")
        assert (found.total, found.refused) == (25, 5)
        assert (found.by_mode, found.by_code) == ({"direct": 20, "rail": 5}, {"NR-E200": 5})
        assert len(found.recent) == RECENT_MAX
        assert found.recent[-1]["mission_id"] == "m_24"
        assert decided(runner.engine.state, "umbrella").total == 0


def test_a_request_without_a_chain_is_decided_too() -> None:
    desk = Desk()
    assert desk.ask(cost_usd_pico=CENT)["allowed"]
    assert desk.state.kept.total(accounts.ENTITY_ACCOUNTS) == 0
    # What is known of a chain completes it.
    desk.begin(*IDS)
    assert desk.ask("a_1", cost_usd_pico=CENT)["allowed"]
    assert desk.books(*IDS) == dict.fromkeys(IDS, (0, 1, 0))


# ── directives and confirmations ─────────────────────────────────────────────────────────────


def test_directives_refuse_until_they_expire() -> None:
    desk = Desk()
    scope: dict[str, str | None] = {"job_type": "llm_call"}
    desk.operate("suspend", scope, ttl_ms=5_000)
    refused = desk.ask("m_1")
    assert (refused["code"], refused["retry_after_ms"]) == ("NR-E006", 4_999)
    assert refused["reasons"][0]["action"] == "suspend"
    assert desk.ask("m_1", job_type="tool_execution")["allowed"]
    desk.wait(6)
    assert desk.ask("m_1")["allowed"]
    desk.operate("kill", {"entity_type": "mission", "entity_id": "m_1"})
    killed = desk.ask("m_1")
    assert (killed["code"], killed["retry_after_ms"]) == ("NR-E008", None)


def test_a_person_confirms_once_for_a_job() -> None:
    rule = ModeRule(id="personal", effect="confirm", reason="personal data",
                    when=Condition({"uses_personal_data": True}))  # fmt: skip
    desk = modes(rule)
    context = {"uses_personal_data": True}
    refused = desk.ask(*IDS, context=context)
    (reason,) = refused["reasons"]
    assert (refused["code"], reason["confirmation"], reason["message"]) == (
        "NR-E009", "pending", "personal data",
    )  # fmt: skip
    assert reason["scope"] == {"entity_type": "job", "entity_id": "j_1"}
    (question,) = desk.said("confirmation_requested")
    # What the question is about waits, whatever its facts.
    assert desk.ask(*IDS)["code"] == "NR-E009"
    desk.answer(question["confirmation_id"], "approved")
    assert desk.ask(*IDS, context=context)["allowed"]
    # Another job is another question; without a chain it is about the type of job.
    assert desk.ask("m_1", context=context)["reasons"][0]["scope"]["entity_id"] == "m_1"
    assert desk.ask(context=context)["reasons"][0]["scope"] == {"job_type": "llm_call"}
    desk.answer(desk.said("confirmation_requested")[1]["confirmation_id"], "denied")
    assert desk.ask("m_1", context=context)["reasons"][0]["confirmation"] == "denied"


# ── models without a price, chains that contradict, calls that never asked ───────────────────


def test_a_model_without_a_price_under_a_cost_limit() -> None:
    for unpriced, allowed in (("allow", True), ("refuse", False)):
        desk = Desk(manifest(policies=Policies(unpriced=unpriced)))
        desk.begin("m_1", budget=Budget(max_cost_usd_pico=10 * CENT))
        answer = desk.ask("m_1", cost_usd_pico=1, context={"model": "mystery"})
        assert answer["allowed"] is allowed
        assert [one["rule_id"] for one in answer["reasons"]] == ["unpriced"]
        # Where cost is not limited, or no model is named, its price is nobody's concern.
        assert desk.ask("m_2", context={"model": "mystery"})["reasons"] == []
        assert desk.ask("m_1", cost_usd_pico=1)["reasons"] == []


def test_a_chain_that_contradicts_what_is_known_is_refused() -> None:
    desk = Desk()
    desk.begin(*IDS)
    refused = desk.ask("m_2", "p_1", "j_1", "a_1")
    assert refused["code"] == "NR-E304"
    assert [one["message"] for one in refused["reasons"]] == [
        "plan p_1 belongs to another chain", "job j_1 belongs to another chain",
        "attempt a_1 belongs to another chain",
    ]  # fmt: skip


def test_calls_on_the_rail_that_never_asked_are_told() -> None:
    rule = ModeRule(id="llm", mode="rail", when=Condition({"model": "gpt"}))
    observed = ModeRule(id="seen", mode="rail", severity="observe")
    for unasked, severity in (("flag", "info"), ("violation", "error")):
        desk = modes(rule, observed, policies=Policies(unasked=unasked))
        desk.call(*IDS, cost=CENT)
        (told,) = [event for event in desk.events if event.type == "call_unasked"]
        assert (told.severity, told.data["violation"]) == (severity, unasked == "violation")
        assert told.data["entity_type"] == "resource"
        granted = desk.ask(*IDS)["reservation_id"]
        desk.call(*IDS, cost=CENT, reservation=granted)
        desk.call(*IDS, usage=Usage("inference", model="other", has_tokens=True))
        assert len(desk.said("call_unasked")) == 1
    desk = Desk()
    desk.call(*IDS, cost=CENT)
    assert desk.said("call_unasked") == []
