from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from neurorail.rules.manifest.condition import Condition
from neurorail.rules.manifest.facts import FactValue
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
    assert chosen.matching(facts) == [rule for rule in rules if rule.when.matches(facts)]
    assert bool(chosen) is bool(rules)


def test_rules_of_other_agents_are_not_asked() -> None:
    rules = [Rule(Condition({"agent": f"agent-{n}", "cel": "tokens > 1"}), n) for n in range(9)]
    rules.append(Rule(Condition({"tool": None}), 9))
    assert [rule.number for rule in Selection(rules).of({"agent": "agent-4"})] == [4, 9]
    assert [rule.number for rule in Selection(rules).of({})] == [9]


def test_a_flag_and_a_number_that_are_equal_have_keys_of_their_own() -> None:
    assert key_text(("failed",), {"failed": True}) == "[true]"
    assert key_text(("failed",), {"failed": 1}) == "[1]"
    assert key_text(("failed", "agent"), {"failed": False}) == "[false,null]"
