"""Pictures of the engine's state, asked from the event loop."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.collector.engine.support import epoch, record, running

from neurorail.collector.engine.view import AppliedView
from neurorail.collector.views import EngineView
from neurorail.rules.config import EngineConfig

CALL = {
    "span": "c",
    "ids": ["m_1", "p_1", "j_1", "a_1", "r_1"],
    "entity": "resource",
    "role": "inference",
    "start": 1,
    "end": 2,
    "usage": {"in": 10, "out": 5, "cost_usd_pico": 7},
}


@pytest.mark.parametrize("entities_in_memory", [1_000, 1])
async def test_views_show_what_was_applied(tmp_path: Path, entities_in_memory: int) -> None:
    config = EngineConfig(entities_in_memory=entities_in_memory)
    with running(tmp_path, config) as rail:
        view: EngineView = AppliedView(rail.applier)
        budget = {"max_tokens": 12}
        told = {"log": "create", "ids": ["m_1"], "time": 0, "agent": "bot", "budget": budget}
        seq = rail.put(epoch(), record(told), record(CALL))
        mission = await view.entity("default", "m_1")
        assert mission is not None
        assert (mission.entity_type, mission.state) == ("mission", "running")
        assert mission.totals.input_tokens == 10
        assert mission.totals.cost_usd_pico == 7
        assert (mission.totals.model_calls, mission.totals.attempts) == (1, 1)
        assert mission.flags == ("over_budget",)
        assert mission.children == ("p_1",)
        assert mission.fields.agent == "bot"
        assert mission.fields.budget is not None
        assert mission.fields.budget.max_tokens == 12
        assert await view.entity("default", "m_9") is None
        assert await view.entity("other", "m_1") is None
        tree = await view.subtree("default", "m_1", 100)
        assert [one.entity_id for one in tree] == ["m_1", "p_1", "j_1", "a_1", "r_1"]
        assert [one.entity_id for one in await view.subtree("default", "m_1", 2)] == ["m_1", "p_1"]
        assert await view.subtree("default", "m_9", 5) == []
        counts = await view.counts("default")
        assert counts.as_of_seq == seq
        assert counts.by_state["mission"] == {"pending": 0, "queued": 0, "running": 1}
        assert counts.by_state["resource:llm_call"]["succeeded"] == 1
        assert counts.sums["input_tokens"] == 10
        assert (await view.counts("other")).by_state == {}


async def test_asking_for_what_is_not_there_yet_does_not_hide_it_later(tmp_path: Path) -> None:
    with running(tmp_path) as rail:
        view = AppliedView(rail.applier)
        assert await view.entity("default", "m_1") is None
        rail.put(epoch(), record({"log": "create", "ids": ["m_1"], "time": 0}))
        assert await view.entity("default", "m_1") is not None


async def test_an_entity_that_only_its_children_name_is_not_shown(tmp_path: Path) -> None:
    with running(tmp_path) as rail:
        rail.put(epoch(), record({"rest": "create", "ids": ["m_1", "p_1"], "time": 0}))
        view = AppliedView(rail.applier)
        assert await view.entity("default", "m_1") is None
        assert await view.entity("default", "p_1") is not None


async def test_recent_missions_come_newest_first(tmp_path: Path) -> None:
    with running(tmp_path) as rail:
        rail.put(epoch())
        for number in range(4):
            rail.put(record({"log": "create", "ids": [f"m_{number}"], "time": number}))
        rail.put(record({"log": "create", "ids": ["m_x"], "time": 9}, tenant="other"))
        view = AppliedView(rail.applier)
        found = await view.recent_missions("default", 3)
        assert [one.entity_id for one in found] == ["m_3", "m_2", "m_1"]
