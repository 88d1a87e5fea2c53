import subprocess
import sys
from typing import Any

import pytest

from neurorail.rules.manifest import cel
from neurorail.rules.manifest.cel import COST_MAX, LENGTH_MAX
from neurorail.rules.manifest.condition import ALWAYS, DEPTH_MAX, Condition
from neurorail.rules.manifest.expression import InvalidExpression
from neurorail.rules.manifest.facts import FactValue

FACTS: dict[str, FactValue] = {
    "tenant": "default",
    "job_type": "llm_call",
    "model": "gpt-5-mini",
    "tokens": 1_200,
    "failed": True,
    "tag.team": "search",
    "context.region": "eu",
}


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ({}, True),
        ({"job_type": "llm_call"}, True),
        ({"job_type": "other"}, False),
        ({"job_type": "llm_call", "tag.team": "search"}, True),
        ({"job_type": "llm_call", "tag.team": "ads"}, False),
        ({"job_type": ["other", "llm_call"]}, True),
        ({"job_type": ["other"]}, False),
        ({"tool": None}, True),
        ({"job_type": None}, False),
        ({"tool": ["search", None]}, True),
        ({"failed": True}, True),
        ({"failed": False}, False),
        ({"tokens": {"more_than": 1_199}}, True),
        ({"tokens": {"more_than": 1_200}}, False),
        ({"tokens": {"at_least": 1_200}}, True),
        ({"tokens": {"at_least": 1_201}}, False),
        ({"tokens": {"at_most": 1_200}}, True),
        ({"tokens": {"at_most": 1_199}}, False),
        ({"tokens": {"less_than": 1_201}}, True),
        ({"tokens": {"less_than": 1_200}}, False),
        ({"tokens": {"at_least": 1_000, "at_most": 2_000}}, True),
        ({"duration_ms": {"more_than": 0}}, False),
        ({"duration_ms": {"at_least": 0}}, False),
        ({"duration_ms": {"at_most": 9}}, False),
        ({"duration_ms": {"less_than": 9}}, False),
        ({"model": {"prefix": "gpt-"}}, True),
        ({"model": {"prefix": "claude-"}}, False),
        ({"tool": {"prefix": ""}}, False),
        ({"model": {"not": "gpt-5"}}, True),
        ({"model": {"not": ["gpt-5", "gpt-5-mini"]}}, False),
        ({"tool": {"not": "search"}}, True),
        ({"tool": {"not": None}}, False),
        ({"not": {"job_type": "llm_call"}}, False),
        ({"any": [{"job_type": "x"}, {"failed": True}]}, True),
        ({"any": [{"job_type": "x"}, {"failed": False}]}, False),
        ({"all": [{"job_type": "llm_call"}, {"failed": True}]}, True),
        ({"all": [{"job_type": "llm_call"}, {"failed": False}]}, False),
        ({"cel": "tokens > 1000 && tag.team == 'search'"}, True),
        ({"cel": "context['region'] == 'us'"}, False),
        ({"cel": "tool == '' && duration_ms == 0 && !idempotent"}, True),
        ({"cel": "['search', 'ads'].exists(team, team == tag.team)"}, True),
        ({"cel": "{'a': 1}['a'] == 1 && 1.5 < 2.0 && 'x' in ['x']"}, True),
        ({"cel": "0.0 / 0.0 == 0.0 / 0.0"}, False),
    ],
)
def test_condition_over_facts(source: dict[str, Any], holds: bool) -> None:
    assert Condition(source).matches(FACTS) is holds
    assert Condition(source, on_error_matches=False).matches(FACTS) is holds
    assert not Condition(source).fails(FACTS)


@pytest.mark.parametrize(
    "source",
    [
        {"cel": "tag.nobody == 'x'"},
        {"cel": "tokens / duration_ms > 1"},
        {"cel": "tag.nobody == 'x'", "job_type": "llm_call"},
        {"not": {"cel": "tag.nobody == 'x'"}},
        {"any": [{"cel": "tag.nobody == 'x'"}, {"job_type": "other"}]},
    ],
)
def test_condition_that_cannot_be_decided_holds_as_its_rule_says(source: dict[str, Any]) -> None:
    condition = Condition(source)
    assert condition.fails(FACTS)
    assert condition.matches(FACTS)
    assert not condition.on_error(False).matches(FACTS)


def test_what_an_expression_gave_is_remembered_for_so_many_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cel, "REMEMBERED_MAX", 2)
    condition = Condition({"cel": "100 / tokens > 10"}, on_error_matches=False)
    for _ in range(2):
        assert [condition.matches({"tokens": n}) for n in range(12)] == [
            False, *[True] * 9, False, False
        ]  # fmt: skip
        assert condition.fails({})


def test_condition_that_is_decided_otherwise_does_not_need_what_fails() -> None:
    failing = {"cel": "tag.nobody == 'x'"}
    assert not Condition({**failing, "job_type": "other"}).matches(FACTS)
    either = Condition({"any": [failing, {"job_type": "llm_call"}]}, on_error_matches=False)
    assert either.matches(FACTS)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"not": "x"}, "'x' is no condition"),
        ({"jobtype": "x"}, "'jobtype' is no fact"),
        ({"tag.": "x"}, "'tag.' is no fact"),
        ({"tokens": {}}, "the test of 'tokens' is empty"),
        ({"tokens": {"over": 5}}, "'tokens' cannot be tested with over: 5"),
        ({"tokens": {"more_than": "x"}}, "'tokens' cannot be tested with more_than: 'x'"),
        ({"tokens": {"more_than": True}}, "'tokens' cannot be tested with more_than: True"),
        ({"model": {"prefix": 5}}, "'model' cannot be tested with prefix: 5"),
        ({"any": []}, "`any` needs a list"),
        ({"all": {"model": "x"}}, "`all` needs a list"),
        ({"cel": 5}, "`cel` needs an expression"),
        ({"cel": " "}, "`cel` needs an expression"),
        ({"cel": "x" * (LENGTH_MAX + 1)}, "longer than 2000 characters"),
        ({"cel": "tokens"}, "the expression gives int: a condition gives bool"),
        ({"cel": "dyn(failed)"}, "the expression gives dyn"),
        ({"cel": "tokens > 'x'"}, "found no matching overload"),
        ({"cel": "jobtype == 'x'"}, "undeclared reference to 'jobtype'"),
        ({"cel": "tag.all(key, tag[key] == 'x')"}, "the order of a map means nothing"),
        ({"cel": "(" * 200 + "true" + ")" * 200}, "recursion"),
    ],
)
def test_condition_that_is_none_is_refused(source: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Condition(source)


def test_expression_says_where_it_is_wrong() -> None:
    with pytest.raises(InvalidExpression) as caught:
        Condition({"cel": "failed &&\n  tokns > 5"})
    assert (caught.value.line, caught.value.column) == (2, 3)


def test_expression_that_takes_too_many_steps_is_refused() -> None:
    numbers = "[" + ",".join("1" * 12) + "]"
    nested = f"{numbers}.all(a, {numbers}.all(b, {numbers}.all(c, a * b * c == tokens)))"
    with pytest.raises(ValueError, match=f"at most {COST_MAX} are allowed"):
        Condition({"cel": nested})


def test_conditions_that_are_nested_too_deep_are_refused() -> None:
    source: dict[str, Any] = {"failed": True}
    for _ in range(DEPTH_MAX + 1):
        source = {"not": source}
    with pytest.raises(ValueError, match="nested deeper than 16"):
        Condition(source)


def test_conditions_are_equal_if_their_sources_and_their_words_on_errors_are() -> None:
    one, same = Condition({"failed": True}), Condition({"failed": True})
    assert one == same
    assert hash(one) == hash(same)
    assert one != one.on_error(False)
    assert one != Condition({"failed": False})
    assert one != "failed"
    assert ALWAYS.always
    assert not one.always
    assert repr(one) == "Condition({'failed': True})"


def test_library_of_expressions_is_loaded_only_when_one_is_there() -> None:
    code = (
        "import sys; from neurorail.rules.engine import Engine; "
        "assert 'cel_expr_python' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
