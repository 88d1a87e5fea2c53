"""Events as log records, and spans with what was decided about them."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from tests.collector.export.support import spans_of
from tests.support.events import NODE, make_line
from tests.support.otlp_requests import span, traces

from neurorail.collector.export.enrich import enriched
from neurorail.collector.export.event_logs import SEVERITY_NUMBERS, event_logs
from neurorail.rules.events import SEVERITIES


def plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(each) for each in value.array_value.values]
    return getattr(value, kind)


def attributes(message: Any) -> dict[str, Any]:
    return {each.key: plain(each.value) for each in message.attributes}


def test_an_event_is_a_log_record_with_its_id() -> None:
    line = make_line(
        7,
        "budget_violation",
        index=2,
        tenant="acme",
        severity="error",
        ids=("m_1",),
        data={
            "code": "NR-E002",
            "limit": 10,
            "overshoot": 0.5,
            "evidence": {"totals": [1, 2]},
            "big": 1 << 70,
            "nothing": None,
            "held": True,
        },
    )
    request = ExportLogsServiceRequest.FromString(event_logs([line], NODE, "1.2.3"))
    (group,) = request.resource_logs
    assert attributes(group.resource) == {
        "service.name": "neurorail",
        "service.instance.id": NODE,
        "service.version": "1.2.3",
    }
    (record,) = group.scope_logs[0].log_records
    assert record.event_name == "neurorail.budget_violation"
    assert record.body.string_value == line.message
    assert record.severity_text == "ERROR"
    assert record.time_unix_nano == line.event_time_unix_nano
    assert record.observed_time_unix_nano == line.timestamp_unix_nano
    assert attributes(record) == {
        "neurorail.event.id": f"{NODE}.1.7.2",
        "neurorail.event.channel": "enforcement",
        "neurorail.event.category": "safety",
        "neurorail.event.hash": "00" * 32,
        "neurorail.tenant": "acme",
        "neurorail.mission.id": "m_1",
        "neurorail.event.data.entity_id": "m_1",
        "neurorail.event.data.code": "NR-E002",
        "neurorail.event.data.limit": 10,
        "neurorail.event.data.overshoot": 0.5,
        "neurorail.event.data.evidence": '{"totals":[1,2]}',
        "neurorail.event.data.big": str(1 << 70),
        "neurorail.event.data.held": True,
    }


def test_every_severity_has_a_number() -> None:
    assert set(SEVERITY_NUMBERS) == set(SEVERITIES)
    numbers = [SEVERITY_NUMBERS[each] for each in SEVERITIES]
    assert numbers == sorted(set(numbers))


def test_spans_carry_what_their_record_decided() -> None:
    call = {"neurorail.mission.id": "m_1", "neurorail.resource.id": "r_1"}
    body = traces(
        span({**call, "neurorail.entity.type": "resource"}, number=1),
        span(call, number=2),
        span({"gen_ai.operation.name": "chat"}, number=3),
        span({"neurorail.decision": "allowed by me", "other": 1}, number=4),
    )
    lines = [
        make_line(1, "cost_tracked", ids=("m_1", "r_1"), data={"cost_usd_pico": 2_500_000_000}),
        make_line(1, "cost_tracked", ids=("m_2", "r_0000000000000003"), data={}),
        make_line(1, "budget_violation", ids=("m_1",), data={"code": "NR-E002"}),
        make_line(1, "timeout_enforced", ids=("m_1", "p_1"), data={"code": "NR-E001"}),
        make_line(1, "transition_rejected", ids=("m_1", "r_1"), data={"code": "NR-E301"}),
    ]
    first, second, third, fourth = map(attributes, spans_of(enriched(body, lines)))
    assert first["neurorail.decision"] == "violated"
    assert first["neurorail.violation.codes"] == ["NR-E002", "NR-E301"]
    assert first["neurorail.cost_usd"] == 0.0025
    assert first["neurorail.mission.id"] == "m_1"
    # What is below the call shares its verdict; its cost is counted once.
    assert second["neurorail.violation.codes"] == ["NR-E002", "NR-E301"]
    assert "neurorail.cost_usd" not in second
    assert third == {"gen_ai.operation.name": "chat", "neurorail.decision": "passed"}
    assert fourth == {"other": 1, "neurorail.decision": "passed"}


def test_derived_ids_are_recognised() -> None:
    body = traces(span(number=3))
    line = make_line(1, "cost_tracked", ids=("r_0000000000000003",), data={"cost_usd_pico": 10**12})
    orphan = make_line(1, "orphan_detected", ids=("a_0000000000000003",), data={"code": "NR-E007"})
    (only,) = spans_of(enriched(body, [line, orphan]))
    assert attributes(only) == {
        "neurorail.decision": "violated",
        "neurorail.violation.codes": ["NR-E007"],
        "neurorail.cost_usd": 1.0,
    }
