"""What policies say of orphans, of calls that never asked, and of models without a price."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurorail.rules.events import Event
from neurorail.rules.manifest.load import load, read_document
from neurorail.rules.rule_tests.document import RuleTests
from neurorail.rules.rule_tests.run import run_test

HEAD = "neurorail_manifest: 1\nname: t\nversion: '1'\ndefault_mode: direct\n"
LIMITED = "pools: [{id: p, window: {rolling: 1h}, limits: {max_cost_usd: 1}}]\n"


def _price(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    prices = {"input_mtok": str(entry["input_mtok"])}
    return {"match": {"equals": entry["model"]}, "prices": [prices]}


def said(manifest: str, steps: str) -> list[Event]:
    told: RuleTests = read_document(f"manifest: x\ntests:\n- name: a\n  steps:\n{steps}", RuleTests)
    heard: list[Event] = []
    read = load(HEAD + manifest, read_price=_price)
    assert run_test(read, told.tests[0], heard.append) == []
    return heard


ORPHAN = """
  - {at: 0s, begin: {level: job, job: j_9, orphan: true}}
  - {at: 2m, expect: {events: [{type: orphan_detected}]}}
  - {at: 3m, begin: {level: job, job: j_9, mission: m_2}}
"""


def test_orphan_is_only_flagged_by_default() -> None:
    types = [event.type for event in said("", ORPHAN)]
    assert "orphan_lifted" in types
    assert "directive_issued" not in types


def test_orphan_is_cancelled_until_its_parent_arrives() -> None:
    events = said("policies: {orphans: cancel}", ORPHAN)
    directed = [event for event in events if event.type.startswith("directive_")]
    assert [event.type for event in directed] == ["directive_issued", "directive_lifted"]
    assert directed[0].data["code"] == "NR-E007"
    assert directed[0].data["scope"] == {"entity_type": "job", "entity_id": "j_9"}


RAIL = "mode_rules: [{id: rail, when: {agent: writer}, mode: rail}]\n"
CALLS = """
  - {at: 0s, decide: {context: {agent: writer}, reservation: one}}
  - {at: 1s, call: {agent: writer, model: m, reservation: one}, expect: {never: [call_unasked]}}
  - {at: 2s, call: {mission: m_2, agent: other}, expect: {never: [call_unasked]}}
  - {at: 3s, call: {agent: writer, model: m}, expect: {events: [{type: call_unasked}]}}
"""


def test_call_that_never_asked_is_flagged() -> None:
    (event,) = [one for one in said(RAIL, CALLS) if one.type == "call_unasked"]
    assert event.data["violation"] is False


def test_call_that_never_asked_is_a_violation_where_the_manifest_says_so() -> None:
    events = said(f"{RAIL}policies: {{unasked: violation}}\n", CALLS)
    (event,) = [one for one in events if one.type == "call_unasked"]
    assert event.data["violation"] is True


def reasons(manifest: str, context: str) -> list[tuple[str, str, str]]:
    events = said(manifest, f"  - {{at: 0s, decide: {{context: {context}, cost_usd: 0.1}}}}\n")
    (decided,) = [one.data for one in events if one.type == "mode_decided"]
    return [(one["rule_id"], one["code"], one["severity"]) for one in decided["reasons"]]


def test_model_without_a_price_under_a_limit_of_cost_is_warned_of() -> None:
    assert reasons(LIMITED, "{model: m, provider: p}") == [("unpriced", "", "warn")]


def test_model_without_a_price_is_refused_where_the_manifest_says_so() -> None:
    found = reasons(f"{LIMITED}policies: {{unpriced: refuse}}\n", "{model: m}")
    assert found == [("unpriced", "NR-E002", "enforce")]


def test_model_without_a_price_is_nothing_where_cost_is_not_limited() -> None:
    tokens = "pools: [{id: p, window: {rolling: 1h}, limits: {max_tokens: 100000}}]\n"
    assert reasons(tokens, "{model: m}") == []
    assert reasons(LIMITED, "{agent: a}") == []


def test_model_with_a_price_is_nothing() -> None:
    assert reasons(LIMITED + "prices: [{model: m, input_mtok: 1}]\n", "{model: m}") == []
