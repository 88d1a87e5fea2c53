from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorail.rules.manifest import selection
from neurorail.rules.manifest.condition import Condition, compile_source
from neurorail.rules.manifest.facts import Facts, FactValue
from neurorail.rules.manifest.model import key_text
from neurorail.rules.manifest.selection import Selection


@dataclass(frozen=True)
class Rule:
    when: Condition
    number: int = field(default=0)


VALUES = st.sampled_from(["a", "b", "c", None])
SOURCES = st.dictionaries(
    st.sampled_from(["agent", "model", "tag.team"]),
    VALUES
    | st.lists(VALUES, min_size=1, max_size=3)
    | st.fixed_dictionaries({"not": st.sampled_from("abc")}),
    max_size=3,
) | st.sampled_from(
    [{"any": [{"agent": "a"}, {"model": "b"}]}, {"cel": "agent == 'a'"}, {"not": {"agent": "a"}}]
)
FACTS = st.dictionaries(
    st.sampled_from(["agent", "model", "tag.team"]), st.sampled_from("abcd"), max_size=3
)


@given(st.lists(SOURCES, max_size=8), FACTS)
def test_a_selection_finds_what_asking_every_rule_finds_in_their_order(
    sources: list[dict[str, Any]], facts: dict[str, FactValue]
) -> None:
    rules = [Rule(Condition(source), number) for number, source in enumerate(sources)]
    chosen = Selection(rules)
    applies = [rule for rule in rules if rule.when.matches(facts)]
    for _ in range(2):  # The second time it is remembered.
        assert list(chosen.matching(facts)) == applies
    assert bool(chosen) is bool(rules)


class Asked:
    """A condition, and how often it was asked."""

    def __init__(self, source: dict[str, Any]) -> None:
        self._test = compile_source(source)
        self.condition = Condition(source, test=self._count)
        self.times = 0

    def _count(self, facts: Facts) -> bool | None:
        self.times += 1
        return self._test(facts)


def test_rules_of_other_agents_are_not_asked() -> None:
    conditions = [Asked({"agent": f"agent-{n}", "cel": "tokens > 1"}) for n in range(9)]
    chosen = Selection([Rule(one.condition, number) for number, one in enumerate(conditions)])
    assert [rule.number for rule in chosen.matching({"agent": "agent-4", "tokens": 2})] == [4]
    assert [one.times for one in conditions] == [0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_the_same_values_are_asked_once() -> None:
    condition = Asked({"agent": "a", "not": {"model": "b"}})
    chosen = Selection([Rule(condition.condition)])
    for tokens in range(3):
        assert len(chosen.matching({"agent": "a", "model": "c", "tokens": tokens})) == 1
    assert condition.times == 1
    assert not chosen.matching({"agent": "a", "model": "b"})


def test_amounts_ids_and_cel_are_asked_every_time_in_their_place() -> None:
    sources: list[dict[str, Any]] = [
        {"tokens": {"more_than": 1}},
        {"agent": "a"},
        {"mission_id": "m_1"},
        {"any": [{"agent": "a"}, {"cel": "tokens > 1"}]},
    ]
    chosen = Selection([Rule(Condition(source), at) for at, source in enumerate(sources)])
    facts: dict[str, FactValue] = {"agent": "a", "mission_id": "m_1"}
    assert chosen.names is None
    found = [[rule.number for rule in chosen.matching({**facts, "tokens": n})] for n in (1, 2)]
    assert found == [[1, 2, 3], [0, 1, 2, 3]]
    assert [rule.number for rule in chosen.matching({"agent": "b"})] == []


@pytest.mark.interpreted
def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "REMEMBERED_MAX", 2)
    condition = Asked({"agent": ["a", "b", "c"]})
    chosen = Selection([Rule(condition.condition)])
    for agent in "abcc":
        assert len(chosen.matching({"agent": agent})) == 1
    assert condition.times == 3
    assert len(chosen.matching({"agent": "a"})) == 1
    assert condition.times == 4


def test_a_flag_and_a_number_that_are_equal_have_keys_of_their_own() -> None:
    assert key_text(("failed",), {"failed": True}) == "[true]"
    assert key_text(("failed",), {"failed": 1}) == "[1]"
    assert key_text(("failed", "agent"), {"failed": False}) == "[false,null]"
