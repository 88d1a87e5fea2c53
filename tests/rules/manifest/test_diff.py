from neurorail.rules.manifest.diff import Change, diff
from neurorail.rules.manifest.load import load

HEAD = "neurorail_manifest: 1\nname: t\nversion: '{}'\ndefault_mode: rail\n"


def test_same_manifest_written_otherwise() -> None:
    one = load(HEAD.format("1") + "times: {lateness: 10s}")
    assert diff(one, load(HEAD.format("1"))) == []


def test_rules_are_compared_by_their_ids() -> None:
    pool = "{id: %s, key: [agent], window: {rolling: 1h}, limits: {max_tokens: %d}}"
    before = load(HEAD.format("1") + f"pools:\n- {pool % ('a', 5)}\n- {pool % ('b', 6)}\n")
    after = load(HEAD.format("2") + f"pools:\n- {pool % ('b', 7)}\n- {pool % ('a', 5)}\n")
    assert diff(before, after) == [
        Change("pools.b.limits.max_tokens", 6, 7),
        Change("version", "1", "2"),
    ]


def test_rule_that_is_new_or_gone_is_one_change() -> None:
    rule = "mode_rules: [{id: a, mode: rail}]\n"
    none, one = load(HEAD.format("1")), load(HEAD.format("1") + rule)
    (new,) = diff(none, one)
    assert (new.path, new.before) == ("mode_rules.a", None)
    assert new.after["mode"] == "rail"
    (gone,) = diff(one, none)
    assert (gone.path, gone.after) == ("mode_rules.a", None)


def test_a_condition_is_compared_whole() -> None:
    rule = "mode_rules: [{id: a, mode: rail, when: %s}]\n"
    before = load(HEAD.format("1") + rule % "{tool: null}")
    after = load(HEAD.format("1") + rule % "{cost_usd: 1.5}")
    assert diff(before, after) == [Change("mode_rules.a.when", {"tool": None}, {"cost_usd": "1.5"})]
    (gone,) = diff(before, load(HEAD.format("1") + rule % "{}"))
    assert gone.after == {}


def test_lists_without_ids_are_compared_whole() -> None:
    text = "reflexes: [{id: a, trigger: {no_progress: {silent_for: 1m}}, actions: [%s]}]\n"
    before = load(HEAD.format("1") + text % "suspend")
    after = load(HEAD.format("1") + text % "suspend, alert")
    (change,) = diff(before, after)
    assert change.path == "reflexes.a.actions"
    assert len(change.after) == 2
