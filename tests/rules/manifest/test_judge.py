from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import Engine
from neurorail.rules.governor.amounts import none
from neurorail.rules.manifest.judge import judge
from neurorail.rules.manifest.load import load
from neurorail.rules.observations import NO_IDS, Budget, Fields, TransitionReported
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


def test_a_mission_that_states_a_budget_is_held_to_it() -> None:
    engine = Engine(EngineConfig())
    engine.state.manifests["default"] = load(HEAD.replace("direct", "rail"))
    ids = ("m_1", *NO_IDS[1:])
    fields = Fields(budget=Budget(max_tokens=5))
    engine.apply(1, "default", [TransitionReported(0, ids, "create", 1, "log", fields=fields)])
    found = judge(engine.state, {}, ("m_1", "p_unknown", *NO_IDS[2:]), [6, *none()[1:]])
    assert [(one.code, one.rule_id) for one in found.refusals] == [("NR-E002", "own_budget")]


def test_the_manifests_budgets_of_entities_count_on_the_rail() -> None:
    budgets = "budgets: {defaults: [{id: all, level: mission, limits: {max_tokens: 5}}]}\n"
    state = Engine(EngineConfig()).state
    state.tenant = "default"
    state.manifests["default"] = load(HEAD.replace("direct", "rail") + budgets)
    found = judge(state, {}, ("m_1", *NO_IDS[1:]), [6, *none()[1:]])
    assert [one.rule_id for one in found.refusals] == ["all"]
