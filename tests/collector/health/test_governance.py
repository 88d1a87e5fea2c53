"""The ten metrics: names, labels, buckets, and no value that telemetry can choose."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.events import make_event

from neurorail.collector.health import Health
from neurorail.collector.stream import StreamEvent


def values(health: Health, name: str) -> dict[tuple[str, ...], float]:
    """Samples of one name by their label values, in the order of the labels' names."""
    text = health.exposition()[0].decode()
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def observed(*events: tuple[str, dict[str, Any]]) -> Health:
    health = Health()
    health.observe_events(
        [make_event(seq, kind, data=data) for seq, (kind, data) in enumerate(events, 1)]
    )
    return health


def test_metrics_are_the_contract_s_ten_and_three_for_alerts() -> None:
    health = Health()
    health.governance.set_active({"resource": {"running": 1}})
    families = {
        family.name: (family.type, family.samples)
        for family in text_string_to_metric_families(health.exposition()[0].decode())
        if family.name.startswith("neurorail_")
    }
    assert {name: kind for name, (kind, _) in families.items()} == {
        "neurorail_attempts": "counter",
        "neurorail_attempts_failed": "counter",
        "neurorail_budget_violations": "counter",
        "neurorail_reflex_actions": "counter",
        "neurorail_active_missions": "gauge",
        "neurorail_active_jobs": "gauge",
        "neurorail_active_attempts": "gauge",
        "neurorail_resources_by_state": "gauge",
        "neurorail_attempt_duration_ms": "histogram",
        "neurorail_tt_first_signal_ms": "histogram",
        "neurorail_events": "counter",
        "neurorail_cost_usd": "counter",
        "neurorail_tokens": "counter",
    }
    assert b"# TYPE neurorail_attempts_total counter\n" in health.exposition()[0]


def test_attempts_are_counted_by_status_and_code() -> None:
    health = observed(
        ("execution_success", {"duration_ms": 7}),
        ("execution_failure", {"outcome": "failed", "error_code": "NR-E004"}),
        ("execution_failure", {"outcome": "timeout", "error_code": "NR-E001"}),
        ("execution_failure", {"outcome": "cancelled"}),
        (
            "execution_failure",
            {"outcome": "failed", "error_code": "Boom at 0x7f", "error_category": "?"},
        ),
        ("execution_failure", {"outcome": "exploded"}),
    )  # fmt: skip
    assert values(health, "neurorail_attempts_total") == {
        ("attempt", "succeeded"): 1,
        ("attempt", "failed"): 2,
        ("attempt", "timeout"): 1,
        ("attempt", "cancelled"): 1,
        ("attempt", "other"): 1,
    }
    assert values(health, "neurorail_attempts_failed_total") == {
        ("attempt", "MECHANICAL", "NR-E004"): 1,
        ("attempt", "MECHANICAL", "NR-E001"): 1,
        ("attempt", "other", "other"): 1,
    }
    assert health.governance.attempts_ended() == 6
    assert health.governance.failures_by_category() == {"MECHANICAL": 2, "other": 1}


def test_every_event_is_counted_by_type_and_metered_calls_by_cost() -> None:
    call = {"cost_usd_pico": 1_500_000_000_000, "input_tokens": 30, "output_tokens": 10}
    health = observed(("cost_tracked", call), ("cost_tracked", call), ("orphan_detected", {}))
    events = values(health, "neurorail_events_total")
    assert events["cost_tracked",] == 2
    assert events["orphan_detected",] == 1
    assert events["dead_letter",] == 0
    assert values(health, "neurorail_cost_usd_total") == {(): 3.0}
    assert values(health, "neurorail_tokens_total") == {("input",): 60, ("output",): 20}


def test_durations_fall_into_the_contract_s_buckets() -> None:
    health = observed(
        ("execution_success", {"duration_ms": 10}),
        ("execution_success", {"duration_ms": 60_001}),
        ("tt_first_signal", {"entity_type": "job", "tt_first_signal_ms": 51}),
        ("tt_first_signal", {"entity_type": "spaceship", "tt_first_signal_ms": 1}),
    )
    durations = values(health, "neurorail_attempt_duration_ms_bucket")
    bounds = ["10.0", "50.0", "100.0", "500.0", "1000.0", "5000.0", "10000.0", "30000.0", "60000.0"]
    assert durations == {("attempt", b): 1 for b in bounds} | {("attempt", "+Inf"): 2}
    signals = values(health, "neurorail_tt_first_signal_ms_bucket")
    first = ["10.0", "50.0", "100.0", "500.0", "1000.0", "5000.0", "+Inf"]
    assert {bound for _, bound in signals} == set(first)
    assert signals["job", "50.0"] == 0
    assert signals["job", "100.0"] == 1
    assert signals["other", "10.0"] == 1


def test_violations_are_counted_once_and_shown_from_the_start() -> None:
    health = observed(
        ("budget_violation", {"violation_type": "timeout"}),
        ("timeout_enforced", {}),
        ("budget_violation", {"violation_type": "parallel"}),
        ("parallelism_rejected", {}),
        ("budget_violation", {"violation_type": "m_0123"}),
    )
    assert values(health, "neurorail_budget_violations_total") == {
        ("timeout",): 1, ("tokens",): 0, ("cost",): 0, ("retries",): 0, ("parallel",): 1,
        ("tool_calls",): 0, ("other",): 1,
    }  # fmt: skip


def test_active_gauges_follow_the_counts_down_too() -> None:
    health = Health()
    health.governance.set_active(
        {
            "mission": {"running": 3, "pending": 9},
            "job": {"running": 2},
            "attempt": {"running": 1},
            "resource:llm_call": {"running": 4},
            "resource:my own": {"running": 5},
            "resource": {"running": 6},
        }
    )
    states = values(health, "neurorail_resources_by_state")
    assert states["llm_call", "running"] == 4
    assert states["other", "running"] == 11
    assert values(health, "neurorail_active_missions") == {(): 3}
    assert values(health, "neurorail_active_jobs") == {(): 2}
    health.governance.set_active({"resource": {"failed": 1}})
    assert values(health, "neurorail_active_missions") == {(): 0}
    assert values(health, "neurorail_resources_by_state")["llm_call", "running"] == 0
    assert values(health, "neurorail_resources_by_state")["other", "failed"] == 1


@pytest.mark.parametrize("data", [b"", b"[]", b'{"duration_ms":"7"}', b"\xff"])
def test_event_that_reads_otherwise_is_passed_over(data: bytes) -> None:
    health = Health()
    odd = make_event(1, "execution_success")
    odd = StreamEvent.of(msgspec.structs.replace(odd.line, data=msgspec.Raw(data)))
    health.observe_events([odd, make_event(2, "execution_success")])
    assert values(health, "neurorail_attempts_total") == {("attempt", "succeeded"): 1}


def test_no_label_ever_holds_an_id_or_free_text() -> None:
    secret = "m_0123456789abcdef"
    fields = (
        "entity_type", "outcome", "error_code", "error_category", "violation_type", "action_type",
        "to_state", "resource_type",
    )  # fmt: skip
    data = dict.fromkeys(fields, secret) | {"duration_ms": 1, "tt_first_signal_ms": 1}
    kinds = ("execution_success", "execution_failure", "budget_violation", "tt_first_signal")
    health = observed(*((kind, data) for kind in kinds))
    health.governance.set_active({f"resource:{secret}": {"running": 1}})
    assert secret.encode() not in health.exposition()[0]
