from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import Engine
from neurorail.rules.governor.amounts import none
from neurorail.rules.manifest.judge import judge
from neurorail.rules.manifest.load import load
from neurorail.rules.observations import NO_IDS
from neurorail.rules.state import State

HEAD = "neurorail_manifest: 1\nname: t\nversion: '1'\ndefault_mode: direct\n"
RULES = """
mode_rules:
  - {id: noted, severity: observe, mode: rail, effect: refuse}
  - {id: other, when: {agent: nobody}, mode: rail, effect: refuse}
  - {id: rail, when: {agent: writer}, mode: rail}
  - {id: mild, severity: warn, effect: refuse}
  - {id: never, effect: refuse}
  - {id: own, effect: refuse, code: NR-E210, reason: against the law}
  - {id: people, effect: confirm}
pools:
  - {id: spend, window: {rolling: 1h}, limits: {max_tokens: 5}}
  - {id: soft, severity: warn, window: {rolling: 1h}, limits: {max_tokens: 1}}
"""


def world(text: str) -> State:
    state = Engine(EngineConfig()).state
    state.tenant = "default"
    state.manifests["default"] = load(HEAD + text)
    return state


def test_on_the_rail_everything_that_refuses_counts_the_strictest_first() -> None:
    found = judge(world(RULES), {"agent": "writer"}, NO_IDS, [6, *none()[1:]])
    assert found.mode == "rail"
    assert [(one.code, one.rule_id) for one in found.refusals] == [
        ("NR-E200", "never"), ("NR-E210", "own"), ("NR-E009", "people"), ("NR-E002", "spend"),
    ]  # fmt: skip
    assert found.refusals[1].message == "against the law"
    assert found.refusals[0].message == "rule never says refuse"


def test_directly_nothing_is_asked() -> None:
    found = judge(world(RULES), {"agent": "other"}, NO_IDS, [6, *none()[1:]])
    assert (found.mode, found.refusals) == ("direct", ())


def test_manifest_without_rules_has_nothing_against_a_call() -> None:
    found = judge(world(""), {}, NO_IDS, none())
    assert (found.mode, found.refusals) == ("direct", ())
