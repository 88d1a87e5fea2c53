from __future__ import annotations

import time
from typing import Any

import pytest

from neurorail.instrumentation.gate import table as tables
from neurorail.instrumentation.gate.directive import Directive, read_directive
from neurorail.instrumentation.gate.table import Table


def directive(number: int = 0, **given: Any) -> Directive:
    return read_directive(
        {"directive_id": f"d{number}", "action": "suspend", "scope": {}, "code": "NR-E006",
         "reason": "tried", "rule": "", "ttl_ms": None, "limits": {}} | given
    )  # fmt: skip


def found(table: Table, **facts: str) -> str | None:
    one = table.find(facts)
    return None if one is None else one.id


def test_a_scope_must_be_met_in_all_it_names() -> None:
    table = Table()
    table.add(directive(1, scope={"provider": "openai", "model": "gpt-5"}))
    table.add(directive(2, scope={"entity_type": "mission", "entity_id": "m_1"}))
    table.add(directive(3, scope={"tool": "shell"}))
    assert found(table, provider="openai", model="gpt-5") == "d1"
    assert found(table, provider="openai") is None
    assert found(table, mission_id="m_1", model="x") == "d2"
    assert found(table, mission_id="m_2", tool="shell") == "d3"
    table.remove("d3")
    table.remove("d3")
    assert found(table, tool="shell") is None


def test_a_fact_may_have_to_be_absent() -> None:
    table = Table()
    table.add(directive(1, scope={"tool": None}))
    table.add(directive(2, scope={"model": None, "provider": "openai"}))
    assert found(table) == "d1"
    assert found(table, tool="shell") is None
    assert found(table, tool="shell", provider="openai") == "d2"
    assert found(table, tool="shell", provider="openai", model="gpt-5") is None


def test_an_empty_scope_is_everything() -> None:
    table = Table()
    table.add(directive(1, action="kill", code="NR-E008"))
    assert found(table) == "d1"


def test_the_strictest_wins() -> None:
    table = Table()
    table.add(directive(1, action="suspend", scope={"model": "a"}))
    table.add(directive(2, action="kill", scope={"model": "a", "tool": "x"}))
    table.add(directive(3, action="throttle", scope={"tool": "x"}, limits={"calls": 0}))
    assert found(table, model="a", tool="x") == "d2"
    assert found(table, model="a") == "d1"


def test_nothing_holds_after_its_time() -> None:
    table = Table()
    table.add(directive(1, ttl_ms=0))
    table.add(directive(2, ttl_ms=60_000, scope={"model": "a"}))
    assert found(table) is None
    assert found(table, model="a") == "d2"
    assert len(table) == 2
    table.purge()
    assert len(table) == 1


def test_a_reservation_is_not_stopped_by_a_budget() -> None:
    table = Table()
    table.add(directive(1, code="NR-E002"))
    assert table.find({}, reserved=True) is None
    assert found(table) == "d1"


def test_a_throttle_lets_through_what_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = time.monotonic_ns()
    monkeypatch.setattr(time, "monotonic_ns", lambda: now_ns)
    table = Table()
    table.add(directive(1, action="throttle", code="NR-E010",
                        limits={"calls": 1, "every_ms": 20, "burst": 2}))  # fmt: skip
    assert [found(table) for _ in range(3)] == [None, None, "d1"]
    one = table.find({})
    assert one is not None
    retry_after_ms = one.refusal_now().retry_after_ms
    assert retry_after_ms is not None
    assert 0 < retry_after_ms <= 21
    now_ns += retry_after_ms * 1_000_000
    assert found(table) is None


def test_a_circuit_that_is_probed_lets_its_probes_through() -> None:
    table = Table()
    table.add(directive(1, limits={"probes": 1}))
    assert [found(table) for _ in range(2)] == [None, "d1"]
    one = table.find({})
    assert one is not None
    assert one.refusal_now().retry_after_ms is None


def test_what_is_raised_says_why() -> None:
    one = directive(1, scope={"model": "a", "agent": "b"}, rule="errors", ttl_ms=60_000)
    error = one.refusal_now()
    assert (error.code, error.rule, error.scope) == ("NR-E006", "errors", "agent=b,model=a")
    assert error.retry_after_ms is not None
    assert 30_000 < error.retry_after_ms <= 60_000
    assert not error.cancelled
    kill = directive(2, action="kill", code="NR-E008", scope={"entity_type": "job",
                     "entity_id": "j_1"}).refusal_now()  # fmt: skip
    assert (kill.scope, kill.rule, kill.cancelled, kill.retry_after_ms) == ("j_1", "d2", True, None)
    assert directive(3).refusal_now().scope == "*"


def test_a_snapshot_replaces_all_but_what_is_ours() -> None:
    table = Table()
    table.add(directive(1))
    table.add(Directive("local:a", "cancel", {"model": "a"}, "NR-E001", "over"))
    table.replace([directive(2, scope={"model": "b"})], keep="local:")
    assert (found(table), found(table, model="a"), found(table, model="b")) == (
        None, "local:a", "d2",
    )  # fmt: skip


def test_there_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "DIRECTIVES_MAX", 2)
    table = Table()
    assert [table.add(directive(number)) for number in range(3)] == [True, True, False]
    table.replace([directive(number) for number in range(4)], keep="local:")
    assert (len(table), table.refused) == (2, 3)


def test_what_is_no_directive_is_an_error() -> None:
    with pytest.raises(ValueError, match="no directive"):
        read_directive({"scope": {}})
