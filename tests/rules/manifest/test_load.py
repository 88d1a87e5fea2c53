from collections.abc import Mapping
from typing import Any

import pytest

from neurorail.rules.manifest.faults import FAULTS_MAX, ManifestInvalid, nearest
from neurorail.rules.manifest.limits import Limits
from neurorail.rules.manifest.load import load
from neurorail.rules.manifest.settings import Estimate
from neurorail.rules.manifest.triggers import ConditionMet, ErrorRate, RepeatedCall
from neurorail.rules.manifest.windows import Zone
from neurorail.rules.manifest.yaml_tree import CHARACTERS_MAX

HEAD = """\
neurorail_manifest: 1
name: test
version: 1.10
default_mode: direct
"""
HEAD_LINES = HEAD.count("\n")
BERLIN = Zone(data_version="test", from_unix_s=(), offset_s=(3_600,))


def _zone(name: str) -> Zone:
    if name != "Europe/Berlin":
        raise LookupError(name)
    return BERLIN


def _price(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    if "model" not in entry:
        raise ValueError("no model")
    return entry


def _faults(text: str) -> list[str]:
    with pytest.raises(ManifestInvalid) as caught:
        load(text, _zone, _price)
    assert caught.value.code == "NR-E110"
    return [str(fault) for fault in caught.value.faults]


def test_manifest_with_every_section() -> None:
    manifest = load(
        HEAD
        + """
mode_rules:
  - id: llm
    when:
      job_type: [llm_call, null]
      cost_usd: {more_than: 0.25}
      duration: {at_most: 1m}
      model: {prefix: gpt-, not: [gpt-4]}
      tokens: 5_000
      tag.urgent: true
      context.shard: 7
      idempotent: false
      any: [{agent: a}, {agent: b}, {all: [{service: s}, {not: {tool: t}}]}]
      cel: 'tokens > 5'
    mode: rail
  - {id: refuse, effect: refuse, code: NR-E201}
budgets:
  defaults: [{id: jobs, level: job, when: {job_type: x}, limits: {max_wall_time: 0}}]
pools:
  - {id: day, key: [agent, tag.team], window: {calendar: day, zone: Europe/Berlin},
     limits: {max_cost_usd: 20.5}, warn_percent: [50, 90]}
  - {id: week, window: {calendar: week, zone: Europe/Berlin}, limits: {max_tokens: 1}}
  - {id: hour, window: {rolling: 1h}, limits: {max_cost_usd: 1}}
reflexes:
  - {id: errors, trigger: {error_rate: {window: 1m, percent: 50}}, actions: [suspend, alert]}
  - id: again
    over: attempts
    per: [job_type]
    trigger: {repeated_call: {count: 5, window: 10m}}
    actions: [{cancel: {level: job, subtree: false}}, suspend]
  - {id: burn, trigger: {burn_rate: {pool: day, limit: cost, lookback: 5m}}}
  - {id: fast, trigger: {burn_rate: {level: mission, limit: cost, lookback: 5m}}}
  - {id: own, trigger: {condition: {holds: {failed: true}, window: 5s}}, breaker:}
estimates: {by_job_type: {x: {tokens: 5}}}
prices: [{model: m, input_mtok: 0.1, tiers: [1, true, null, x]}]
attributes: {agent: [my.agent], tag.team: [team.name]}
""",
        _zone,
        _price,
    )
    assert manifest.version == "1.10"
    assert manifest.mode_rules[0].when.source == {
        "job_type": ["llm_call", None],
        "cost_usd_pico": {"more_than": 250_000_000_000},
        "duration_ms": {"at_most": 60_000},
        "model": {"prefix": "gpt-", "not": ["gpt-4"]},
        "tokens": 5_000,
        "tag.urgent": "true",
        "context.shard": "7",
        "idempotent": False,
        "any": [
            {"agent": "a"},
            {"agent": "b"},
            {"all": [{"service": "s"}, {"not": {"tool": "t"}}]},
        ],
        "cel": "tokens > 5",
    }  # fmt: skip
    assert manifest.budgets.defaults[0].limits == Limits(wall_time_ms=0)
    assert manifest.pools[0].limits.max_cost_usd_pico == 20_500_000_000_000
    assert manifest.zones == {"Europe/Berlin": BERLIN}
    assert manifest.reflexes[0].trigger == ErrorRate(window_ms=60_000, percent=50)
    assert manifest.reflexes[1].trigger == RepeatedCall(count=5, window_ms=600_000)
    assert isinstance(manifest.reflexes[4].trigger, ConditionMet)
    assert manifest.estimates.for_job_type("x") == Estimate(tokens=5)
    assert manifest.prices == (
        {"model": "m", "input_mtok": "0.1", "tiers": [1, True, None, "x"]},
    )  # fmt: skip
    assert manifest.attributes["tag.team"] == ("team.name",)
    assert type(manifest).from_json(manifest.json) == manifest


def test_same_manifest_written_otherwise_has_the_same_hash() -> None:
    one = load(HEAD + "times: {lateness: 10s, settle: 330s}\n")
    other = load(HEAD + "# Said otherwise.\ntimes:\n  lateness: 10000ms\npools: []\n")
    assert one.sha256 == other.sha256
    assert one.sha256 != load(HEAD + "times: {lateness: 11s}\n").sha256


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "1:1: the document is empty"),
        ("# nothing", "1:1: the document is empty"),
        ("- 1", "1:1: a list is no mapping: write `key: value`"),
        ("{}", "1:1: 'neurorail_manifest' is missing: Version of this format: 1."),
        ("a: [", "1:5: no YAML: expected the node content, but found '<stream end>'"),
        ("a: \x01", "1:1: no YAML: unacceptable character #x0001: special "
         "characters are not allowed"),
        ("a: 1\n---\nb: 2", "2:1: a second document begins here"),
        ("a: &x [1]\nb: *x", "1:4: anchors and aliases are not read"),
        ("a: *x", "1:4: anchors and aliases are not read"),
        ("[" * 40 + "]" * 40, "1:33: nested deeper than 32"),
        ("#" * (CHARACTERS_MAX + 1), "1:1: longer than 1000000 characters"),
    ],
)  # fmt: skip
def test_what_is_no_document(text: str, fault: str) -> None:
    assert fault in _faults(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("defualt_recovery: retry", "1:1: unknown key 'defualt_recovery'; did you mean "
         "'default_recovery'?"),
        ("? [1]\n: 2", "1:3: unknown key 'a list'; known are neurorail_manifest, name, version, "
         "description, default_mode, default_recovery, mode_rules, budgets, pools, reflexes, "
         "estimates, times, policies, gate, prices, attributes"),
        ("zones: {}", "1:1: unknown key 'zones'; known are neurorail_manifest, name, version, "
         "description, default_mode, default_recovery, mode_rules, budgets, pools, reflexes, "
         "estimates, times, policies, gate, prices, attributes"),
        ("name: again", "1:1: 'name' is there twice"),
        ("description: true", "1:14: description: 'true' is no text: write a text (in quotes, if "
         "that is one)"),
        ("description: [a]", "1:14: description: a list is no text: write a text"),
        ("mode_rules: {}", "1:13: mode_rules: a mapping is no list: write `- item` or [item]"),
        ("mode_rules: [{id: a}]", "1:14: mode_rules[0]: the rule says nothing: give it a `mode`, "
         "an `effect` or a `recovery`"),
        ("mode_rules: [{id: a, mode: rail, code: NR-E201}]", "1:40: mode_rules[0].code: a code is "
         "for what is refused: write `effect: refuse`"),
        ("mode_rules: [{id: a, mode: rail, code: NR-E301}]", "1:40: mode_rules[0].code: 'NR-E301' "
         r"has the wrong form: it has to match NR-E2\d\d"),
        ("mode_rules: [{id: a, mode: rail}, {id: a, mode: rail}]", "1:35: mode_rules[1]: id 'a' "
         "is there already, in line 5"),
        ("mode_rules: [{id: a, mode: rail, on_error: ignore}]", "1:44: mode_rules[0].on_error: "
         "'ignore' is none of match, no_match; known are match, no_match"),
        ("times: {lateness: 5}", "1:19: times.lateness: '5' is no length of time: write 250ms, "
         "30s, 10m, 24h or 7d"),
        ("times: {lateness: 0}", "1:19: times.lateness: 0 is too short: at least 1 ms"),
        ("times: {lateness: 500d}", "1:19: times.lateness: 500d is too long: at most 400 days"),
        ("times: {billing_memory_days: 1.5}", "1:30: times.billing_memory_days: '1.5' is no whole "
         "number"),
        ("times: {billing_memory_days: 0}", "1:30: times.billing_memory_days: 0 is too small: at "
         "least 1"),
        ("times: {billing_memory_days: 1000}", "1:30: times.billing_memory_days: 1000 is too "
         "large: at most 400"),
        ("times: {billing_memory_days: 0x10}", "1:30: times.billing_memory_days: '0x10' is no "
         "whole number"),
        ("estimates: {default: {cost_usd: free}}", "1:33: estimates.default.cost_usd: 'free' is "
         "no amount of US dollars: write 0.25"),
        ("estimates: {default: {cost_usd: -1}}", "1:33: estimates.default.cost_usd: -1 is no "
         "amount from 0 to 9,000,000 US dollars"),
        ("estimates: {default: {cost_usd: [1]}}", "1:33: estimates.default.cost_usd: a list is no "
         "amount of US dollars: write 0.25"),
        ("estimates: {default: {cost_usd: 0.1234567890123}}", "1:33: estimates.default.cost_usd: "
         "0.1234567890123 has more than 12 decimals"),
        ("estimates: {by_job_type: [x]}", "1:26: estimates.by_job_type: a list is no mapping: "
         "write `key: value`"),
        ("estimates: {by_job_type: {x: {}, x: {}}}", "1:34: estimates.by_job_type: 'x' is there "
         "twice"),
        ("estimates: {by_job_type: {'a b': {}}}", "1:27: estimates.by_job_type: 'a b' is no key "
         "here"),
        ("estimates: {by_job_type: {? [a] : {}}}", "1:29: estimates.by_job_type: a list is no key "
         "here"),
        ("budgets: {defaults: [{id: a, level: job, limits: {}}]}", "1:50: "
         "budgets.defaults[0].limits: there is no limit: give at least one, such as "
         "`max_cost_usd`"),
        ("budgets: {defaults: [{id: a, level: plan, when: {job_type: x}, limits: {max_tokens: 1}}"
         "]}", "1:60: budgets.defaults[0].when.job_type: this can never hold: a plan has no "
         "job_type"),
        ("budgets: {defaults: [{id: a, level: job, limits: {max_tokens: 1}, warn_percent: [90, 50"
         "]}]}", "1:86: budgets.defaults[0].warn_percent[1]: 50 follows 90: write them in "
         "ascending order"),
        ("budgets: {defaults: [{id: a, level: job, limits: {max_tokens: 1}, warn_percent: [9, 9]}"
         "]}", "1:85: budgets.defaults[0].warn_percent[1]: 9 is there already, in line 5"),
        ("budgets: {overrides: [{id: a, level: job, limits: {max_tokens: 1}}], defaults: [{id: a, "
         "level: job, limits: {max_tokens: 1}}]}", "1:28: budgets.overrides[0].id: id 'a' is "
         "there already, in budgets.defaults"),
        ("pools: [{id: a, window: {}, limits: {max_tokens: 1}}]", "1:25: pools[0].window: write "
         "either `rolling` or `calendar`"),
        ("pools: [{id: a, window: {rolling: 1h, zone: Europe/Berlin}, limits: {max_tokens: 1}}]",
         "1:45: pools[0].window.zone: a rolling window has no time zone"),
        ("pools: [{id: a, window: {calendar: day, zone: Europe/Berlyn}, limits: {max_tokens: 1}}]",
         "1:47: pools[0].window.zone: unknown time zone 'Europe/Berlyn': write an IANA name such "
         "as Europe/Berlin"),
        ("pools: [{id: a, key: [agnt], window: {rolling: 1h}, limits: {max_tokens: 1}}]",
         "1:23: pools[0].key[0]: unknown fact 'agnt'; did you mean 'agent'?"),
        ("pools: [{id: a, key: [agent, agent], window: {rolling: 1h}, limits: {max_tokens: 1}}]",
         "1:30: pools[0].key[1]: 'agent' is there already, in line 5"),
        ("pools: [{id: a, key: [a, b, c, d, e], window: {rolling: 1h}, limits: {}}]",
         "1:22: pools[0].key: 5 items: 0 to 4 are allowed"),
        ("reflexes: [{id: a, trigger: hunch}]", "1:29: reflexes[0].trigger: unknown kind 'hunch'; "
         "known are error_rate, consecutive_failures, latency, first_signal, burn_rate, "
         "repeated_call, ping_pong, fan_out, no_progress, violation_storm, condition"),
        ("reflexes: [{id: a, trigger: {? [a] : 1}}]", "1:32: reflexes[0].trigger: unknown kind ''; "
         "known are error_rate, consecutive_failures, latency, first_signal, burn_rate, "
         "repeated_call, ping_pong, fan_out, no_progress, violation_storm, condition"),
        ("reflexes: [{id: a, trigger: {}}]", "1:29: reflexes[0].trigger: write one key, of "
         "error_rate, consecutive_failures, latency, first_signal, burn_rate, repeated_call, "
         "ping_pong, fan_out, no_progress, violation_storm, condition, with its settings"),
        ("reflexes: [{id: a, trigger: {ping_pong: {rounds: 2, window: 1m}}, actions: [{cancel: {"
         "subtree: maybe}}]}]", "1:96: reflexes[0].actions[0].cancel.subtree: 'maybe' is neither "
         "true nor false"),
        ("reflexes: [{id: a, trigger: {burn_rate: {limit: cost, lookback: 1m}}}]", "1:41: "
         "reflexes[0].trigger.burn_rate: write either `pool` or `level`"),
        ("reflexes: [{id: a, trigger: {burn_rate: {pool: b, limit: cost, lookback: 1m}}}]",
         "1:48: reflexes[0].trigger.burn_rate.pool: unknown pool 'b'; nothing is known here"),
        ("pools: [{id: b, window: {rolling: 1h}, limits: {max_tokens: 1}}]\n"
         "reflexes: [{id: a, trigger: {burn_rate: {pool: b, limit: cost, lookback: 1m}}}]",
         "2:58: reflexes[0].trigger.burn_rate.limit: the pool has no limit of cost; known are "
         "tokens"),
        ("reflexes: [{id: a, trigger: {no_progress: {silent_for: 1m}}, breaker: {cooldown: 2h, "
         "cooldown_max: 1h}}]", "1:100: reflexes[0].breaker.cooldown_max: it is shorter than "
         "`cooldown`"),
        ("reflexes: [{id: a, trigger: {no_progress: {silent_for: 1m}}, breaker: {cooldown: 2h}}]",
         "1:71: reflexes[0].breaker.cooldown_max: it is shorter than `cooldown`"),
        ("reflexes: [{id: a, over: jobs, per: [model], trigger: {no_progress: {silent_for: 1m}}, "
         "actions: [suspend]}]", "1:38: reflexes[0].per[0]: a job has no model"),
        ("prices: {}", "1:9: prices: a mapping is no list of prices"),
        ("prices: [{}]", "1:10: prices[0]: no model"),
        ("prices: [5]", "1:10: prices[0]: write a mapping with `model` and prices"),
        ("attributes: {agnet: [x]}", "1:14: attributes.agnet: unknown meaning 'agnet'; did you "
         "mean 'agent'?"),
        ("attributes: {agent: []}", "1:21: attributes.agent: 0 items: 1 to 16 are allowed"),
        (f"description: {'x' * 4001}", "1:14: description: longer than 4000 characters"),
        ("estimates: {by_job_type: {" + ", ".join(f"k{n}: {{}}" for n in range(1001)) + "}}",
         "1:26: estimates.by_job_type: 1001 entries: at most 1000 are allowed"),
    ],
)  # fmt: skip
def test_fault_with_its_place_and_remedy(text: str, fault: str) -> None:
    line, _, rest = fault.partition(":")
    assert _faults(f"{HEAD}{text}\n") == [f"{int(line) + HEAD_LINES}:{rest}"]


@pytest.mark.parametrize(
    ("condition", "fault"),
    [
        ("5", "'5' is no condition: write `fact: value`"),
        ("{jobtype: x}", "unknown fact 'jobtype'; did you mean 'job_type'?"),
        ("{? [x] : 1}", "unknown fact ''; known are "),
        ("{cost_usd_pico: 5}", "unknown fact 'cost_usd_pico'; did you mean 'cost_usd'?"),
        ("{agent: a, agent: b}", "'agent' is there twice"),
        ("{agent: {not: a, not: b}}", "'not' is there twice"),
        ("{agent: {}}", "the test of 'agent' is empty"),
        ("{agent: []}", "this can never hold: the list is empty"),
        ("{agent: {at_least: 5}}", "'agent' cannot be tested so; known are not, prefix"),
        ("{tokens: {atleast: 5}}", "'tokens' cannot be tested so; did you mean 'at_least'?"),
        ("{failed: {prefix: t}}", "'failed' cannot be tested so; known are not"),
        ("{tokens: many}", "'many' is no whole number"),
        ("{tokens: {more_than: many}}", "'many' is no whole number"),
        ("{failed: maybe}", "'maybe' is neither true nor false"),
        ("{agent: true}", "'true' is no text: write a text (in quotes, if that is one)"),
        ("{agent: {prefix: [a]}}", "a list is no text: write a text"),
        ("{cost_usd: cheap}", "'cheap' is no amount of US dollars: write 0.25"),
        ("{duration: {more_than: 5}}", "'5' is no length of time: write 250ms"),
        ("{operation: chat}", "unknown operation 'chat'; known are inference, embedding, tool"),
        ("{operation: [tool, null, chat]}", "unknown operation 'chat'"),
        ("{any: {agent: a}}", "`any` needs a list of conditions"),
        ("{all: []}", "`all` needs a list of conditions"),
        ("{cel: [x]}", "a list is no text: write a text"),
        ("{cel: ''}", "`cel` needs an expression"),
        ("{cel: tokns > 5}", "undeclared reference to 'tokns'; did you mean 'tokens'?"),
        ("{cel: tokens}", "the expression gives int: a condition gives bool"),
        ("{not: {not: {not: {not: {not: {not: {not: {not: {not: {not: {not: {not: {not: {not: "
         "{not: {not: {not: {}}}}}}}}}}}}}}}}}}", "conditions are nested deeper than 16"),
        ("{agent: a, all: [{agent: b}]}", "other tests leave agent no value"),
        ("{any: [{agent: b}], agent: a}", "other tests leave agent no value"),
        ("{agent: {not: a}, all: [{agent: a}]}", "other tests leave agent no value"),
        ("{agent: a, all: [{agent: {not: [a, null]}}]}", "other tests leave agent no value"),
        ("{agent: [a, null], all: [{agent: {prefix: b}}]}", "other tests leave agent no value"),
        ("{agent: {prefix: a}, all: [{agent: {prefix: b}}]}",
         "agent cannot begin with 'a' and with 'b'"),
        ("{tokens: 5, all: [{tokens: {more_than: 5}}]}", "other tests leave tokens no value"),
        ("{tokens: 5, all: [{tokens: {less_than: 5}}]}", "other tests leave tokens no value"),
        ("{tokens: null, all: [{tokens: {at_least: 1}}]}", "other tests leave tokens no value"),
        ("{tokens: {less_than: 0}}", "no tokens is that large and that small"),
        ("{tokens: {at_least: 5, at_most: 4}}", "no tokens is that large and that small"),
        ("{operation: {not: [tool, inference, embedding, null]}}",
         "operation is always one of inference, embedding, tool"),
        ("{entity_type: [mission, plan], job_type: x}", "a plan has no job_type"),
        ("{attempt_number: {at_least: 1}, entity_type: job}", "a job has no attempt_number"),
    ],
)  # fmt: skip
def test_condition_with_a_fault(condition: str, fault: str) -> None:
    found = _faults(f"{HEAD}mode_rules:\n- id: a\n  mode: rail\n  when: {condition}\n")
    assert len(found) == 1
    assert fault in found[0]
    assert found[0].startswith(f"{HEAD_LINES + 4}:")


@pytest.mark.parametrize(
    "condition",
    [
        "{agent: {prefix: a}, all: [{agent: {prefix: ab}}, {agent: {prefix: a}}]}",
        "{tokens: {at_least: 5, more_than: 5, at_most: 9, less_than: 7}}",
        "{tokens: 6, all: [{tokens: {at_least: 5, at_most: 7}}]}",
        "{tokens: {not: 5}, all: [{tokens: [5, 6]}]}",
        "{entity_type: {not: mission}, job_type: x}",
        "{entity_type: [mission, null], job_type: x}",
        "{entity_type: null, job_type: x}",
        "{agent: {not: null}}",
        "{entity_type: mission, job_type: null}",
        "{not: {agent: a}, agent: a}",
    ],
)
def test_condition_that_can_hold(condition: str) -> None:
    load(f"{HEAD}mode_rules: [{{id: a, mode: rail, when: {condition}}}]\n")


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("cel: tokns > 5", "8:11"),
        ("cel: failed && tokns > 5", "8:21"),
        ("cel: 'tokns > 5'", "8:12"),
        ("cel: |\n       failed &&\n         tokns > 5", "10:3"),
        ("cel: 'failed\n\n         && tokns > 5'", "8:11"),
    ],
)
def test_fault_in_an_expression_has_its_place(written: str, place: str) -> None:
    (found,) = _faults(f"{HEAD}mode_rules:\n- id: a\n  when:\n     {written}\n  mode: rail\n")
    assert found.startswith(f"{place}: mode_rules[0].when.cel: undeclared reference to 'tokns'")


def test_faults_are_listed_in_the_order_of_the_document_and_bounded() -> None:
    found = _faults(HEAD + "".join(f"key{number}: 1\n" for number in range(FAULTS_MAX + 5)))
    assert len(found) == FAULTS_MAX
    assert found[0].startswith("5:1: ")


def test_tag_needs_a_name() -> None:
    (found,) = _faults(HEAD + "attributes: {tag.: [x]}")
    assert "unknown meaning 'tag.'; known are provider, request_model" in found


def test_long_text_is_shown_shortened() -> None:
    (found,) = _faults(f"{HEAD}times: {{lateness: {'x' * 99}}}\n")
    assert "xxx…' is no length of time" in found


def test_nothing_is_known_of_zones_and_prices_without_their_sources() -> None:
    with pytest.raises(ManifestInvalid, match="unknown time zone 'Europe/Berlin'"):
        load(
            HEAD + "pools: [{id: a, window: {calendar: day, zone: Europe/Berlin}, "
            "limits: {max_tokens: 1}}]"
        )
    with pytest.raises(ManifestInvalid, match="prices cannot be read here"):
        load(HEAD + "prices: [{model: m}]")


def test_nearest_name() -> None:
    assert nearest("Default-Mode", ["default_mode", "name"]) == "did you mean 'default_mode'?"
    assert nearest("zzz", ["a", "b", "a"]) == "known are a, b"
