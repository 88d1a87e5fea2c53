"""Limits that people set on the server hold in place of those that the program states."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.instrumentation.conftest import Told

from neurorail.instrumentation import Budget, NeuroRailRefused, job, mission, resource
from neurorail.instrumentation.gate import changed_budgets
from neurorail.instrumentation.gate.connection import Connection
from neurorail.instrumentation.gate.following import Following
from neurorail.instrumentation.gate.gate import Gate
from neurorail.instrumentation.process import process


@pytest.fixture
def gate(told: Told) -> Iterator[Gate]:
    gate = process().gate
    yield gate
    gate.changed_budgets.replace([])


@pytest.fixture
def following(gate: Gate) -> Following:
    connection = Connection("http://127.0.0.1:9", "", 100)
    return Following(gate, connection, "agent", lambda: None)


def call(tokens: int = 0) -> None:
    with resource("llm_call") as one:
        one.record_usage(tokens)


def test_what_was_used_up_goes_on(following: Following) -> None:
    with mission("m", budget=Budget(max_tokens=10, max_tool_calls=3)) as m:
        call(10)
        with pytest.raises(NeuroRailRefused):
            call()
        limits = {"max_tokens": 20, "max_model_calls": 4, "max_tool_calls": None}
        following.take("budget_changed", {"entity_id": m.id, "limits": limits})
        call(10)
        assert m.budget == Budget(max_tokens=20, max_tool_calls=3)
        with pytest.raises(NeuroRailRefused):
            call()


def test_it_is_known_before_the_entity_starts_here(gate: Gate) -> None:
    gate.changed_budgets.replace([("m_known", {"max_tokens": 20}), ("m_other", {"max_tokens": 1})])
    with mission("m", id="m_known", budget=Budget(max_tokens=0)) as m, job("x"):
        assert m.budget == Budget(max_tokens=20)
        call(5)
    with mission("m", id="m_unlimited") as m:
        gate.changed_budgets.change("m_unlimited", {"max_tokens": 0})
        call(5)  # Its directive stops it, not we.
        assert m.budget is None


async def test_a_later_deadline_and_an_earlier_one(gate: Gate) -> None:
    async with mission("m", budget=Budget(timeout_ms=50)) as m:
        gate.changed_budgets.change(m.id, {"timeout_ms": 60_000})
        await asyncio.sleep(0.1)
        timer = m.timer
        assert timer is not None
        assert timer.when() - asyncio.get_running_loop().time() > 30

    async def hurried() -> None:
        async with mission("m", budget=Budget()) as m:
            gate.changed_budgets.change(m.id, {"timeout_ms": 1})
            await asyncio.sleep(30)

    with pytest.raises(NeuroRailRefused) as raised:
        await hurried()
    assert raised.value.code == "NR-E001"


def test_what_is_no_limit_changes_nothing(gate: Gate, following: Following) -> None:
    with mission("m", budget=Budget(max_tokens=10)) as m:
        for said in ({}, {"entity_id": m.id}, {"entity_id": m.id, "limits": {"max_tokens": "x"}}):
            following.take("budget_changed", said)
        assert m.budget == Budget(max_tokens=10)


def test_the_oldest_is_forgotten(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changed_budgets, "ENTITIES_MAX", 2)
    for name in ("m_1", "m_2", "m_3"):
        gate.changed_budgets.change(name, {"max_tokens": 1})
    assert list(gate.changed_budgets.by_id) == ["m_2", "m_3"]
