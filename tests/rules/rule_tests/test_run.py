"""Rule tests say what is not met, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from neurorail.rules.manifest.faults import ManifestInvalid
from neurorail.rules.manifest.load import load, read_document
from neurorail.rules.rule_tests.document import RuleTests
from neurorail.rules.rule_tests.run import Failure, run_test

HEAD = "neurorail_manifest: 1\nname: t\nversion: '1'\ndefault_mode: rail\n"
MANIFEST = load(
    HEAD
    + """
mode_rules:
  - {id: risky, when: {tag.risk: high}, mode: rail, effect: refuse, code: NR-E201}
  - {id: paid, when: {job_type: payment}, recovery: rollback_required}
pools:
  - {id: spend, key: [agent], window: {rolling: 1h}, limits: {max_cost_usd: 2}}
reflexes:
  - {id: silent, trigger: {no_progress: {silent_for: 30s}}}
"""
)


def run(steps: str, start: str = "") -> list[Failure]:
    told: RuleTests = read_document(
        f"manifest: x\ntests:\n- name: one\n{start}  steps:\n{steps}", RuleTests
    )
    return run_test(MANIFEST, told.tests[0])


def messages(steps: str) -> list[str]:
    return [failure.message for failure in run(steps)]


def test_what_is_met_says_nothing() -> None:
    assert (
        run("""
  - at: 0s
    begin: {level: mission, mission: m_7, tags: {risk: high, urgent: true}, agent: writer,
            service: desk, budget: {max_tokens: 100, max_cost_usd: 9}}
    expect: {events: [{type: state_changed, where: {to_state: running, mission_id: m_7}, count: 1}]}
  - {at: 1s, begin: {level: job, mission: m_7, job_type: payment}}
  - {at: 1s, begin: {level: attempt, mission: m_7}}
  - at: 2s
    decide: {mission: m_7, job_type: payment, tokens: 1, cost_usd: 0.5, tool_calls: 0, duration: 1s}
    expect: {decision: {allowed: false, mode: rail, code: NR-E201, recovery: rollback_required,
                        rules: [risky, paid]}}
  - at: 10s
    heartbeat: {mission: m_7}
    expect: {never: [trigger_activated]}
  - at: 50s
    expect: {events: [{type: trigger_activated, where: {trigger_id: silent}, count: 1}]}
  - {at: 51s, end: {level: attempt, mission: m_7, outcome: failed, error_code: NR-E004},
     expect: {events: [{type: execution_failure, where: {error_code: NR-E004}}]}}
  - {at: 52s, end: {level: mission, mission: m_7}}
  - {at: 52s, begin: {level: resource, mission: m_8}}
  - {at: 53s, end: {level: resource, mission: m_8, outcome: cancelled}}
""")
        == []
    )


def test_reservation_is_named_by_the_call_that_it_was_granted() -> None:
    assert (
        run("""
  - at: 0s
    decide: {job: j_1, attempt: a_1, context: {agent: writer}, cost_usd: 1.5, reservation: mine}
    expect: {decision: {allowed: true, rules: []}}
  - {at: 1s, decide: {context: {agent: writer}, cost_usd: 1}, expect: {decision: {allowed: false}}}
  - at: 2s
    call: {agent: writer, model: m, provider: p, input_tokens: 5, cost_usd: 0.5, reservation: mine,
           first_signal: 10ms, tags: {a: b}, service: s}
    expect: {events: [{type: reservation_settled, where: {how: settled}},
                      {type: cost_tracked, where: {llm_tokens: 5}}]}
  - {at: 3s, decide: {context: {agent: writer}, cost_usd: 1}, expect: {decision: {allowed: true}}}
  - {at: 4s, call: {tool: search, outcome: failed, error_code: E}}
""")
        == []
    )


def test_what_is_not_met_is_said() -> None:
    found = messages("""
  - at: 0s
    decide: {job_type: payment, context: {agent: writer}, cost_usd: 3}
    expect:
      decision: {allowed: true, mode: direct, code: NR-E006, recovery: retry, rules: []}
      events:
      - {type: mode_decided, where: {allowed: true}}
      - {type: mode_decided, count: 2}
      - {type: budget_warning, where: {rule_id: spend, code: null}}
      - {type: mode_decidd}
      never: [mode_decided, mode_decidd, state_changed]
""")
    reason = "pool spend has $2 of $2 left, $3 asked"
    assert found == [
        f"allowed is false, expected true: {reason}",
        f"mode is rail, expected direct: {reason}",
        f"code is NR-E002, expected NR-E006: {reason}",
        f"recovery is rollback_required, expected retry: {reason}",
        "the rules are paid, spend, expected none",
        f"mode_decided, allowed true was expected, found 0: {reason}",
        f"mode_decided was expected 2 times, found 1: {reason}",
        "budget_warning, code nothing, rule_id spend was expected, found 0: none was said",
        "'mode_decidd' is no type of event; did you mean 'mode_decided'?",
        f"mode_decided was said: {reason}",
        "'mode_decidd' is no type of event; did you mean 'mode_decided'?",
    ]


def test_decision_without_a_question() -> None:
    found = run("  - {at: 5s, expect: {decision: {allowed: true}}}\n")
    assert found == [Failure(1, "nothing was decided: the step has no `decide`")]


def test_rules_that_are_expected_and_not_there() -> None:
    found = messages("""
  - {at: 0s, decide: {}, expect: {decision: {code: NR-E002, rules: [spend]}}}
""")
    assert found[0].startswith("code is nothing, expected NR-E002")
    assert found[1] == "the rules are none, expected spend"


def test_step_before_the_one_before_it() -> None:
    found = run("""
  - {at: 0s, repeat: 3, every: 10s, heartbeat: {}}
  - {at: 19s, heartbeat: {}}
""")
    assert found == [Failure(2, "it is at 19000 ms, before the step before it")]


def test_test_begins_when_it_says() -> None:
    manifest = load(HEAD + "pools: [{id: day, window: {calendar: day}, limits: {max_cost_usd: 1}}]")
    steps = """
  - {at: 0s, call: {cost_usd: 1}}
  - {at: 1s, decide: {cost_usd: 1}, expect: {decision: {allowed: false}}}
  - {at: 61s, decide: {cost_usd: 1}, expect: {decision: {allowed: true}}}
"""
    told: RuleTests = read_document(
        f"manifest: x\ntests:\n- name: one\n  start: 2026-02-28T23:59:00Z\n  steps:\n{steps}",
        RuleTests,
    )
    assert run_test(manifest, told.tests[0]) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("manifest: x\ntests: []\n", "2:8: tests: 0 items: 1 to 1000 are allowed"),
        ("manifest: x\ntests: [{name: a, steps: [{at: 0s, cal: {}}]}]\n",
         "2:36: tests[0].steps[0]: unknown key 'cal'; did you mean 'call'?"),
        ("manifest: x\ntests: [{name: a, steps: [{at: 0s, decide: {context: {a: [1]}}}]}]\n",
         "2:58: tests[0].steps[0].decide.context.a: a list is no single value"),
        ("manifest: x\ntests: [{name: a, start: now, steps: [{at: 0s}]}]\n",
         r"2:26: tests[0].start: 'now' has the wrong form"),
    ],
)  # fmt: skip
def test_file_that_is_wrong(text: str, fault: str) -> None:
    with pytest.raises(ManifestInvalid) as caught:
        read_document(text, RuleTests)
    assert str(caught.value).startswith(fault)


def test_the_gallerys_tests_are_read(root: Path) -> None:
    files = sorted((root / "docs" / "manifests" / "tests").glob("*.yaml"))
    told = [read_document(file.read_text(), RuleTests) for file in files]
    assert [one.manifest for one in told] == [f"../{file.name}" for file in files]
