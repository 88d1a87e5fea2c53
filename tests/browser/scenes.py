"""Pieces of a script that several tests play."""

from __future__ import annotations

from tests.browser.fake_rail import FakeRail


def a_mission(rail: FakeRail, mission_id: str = "m_alpha") -> str:
    """A running mission with the whole chain below it; gives the resource's id."""
    name = mission_id.removeprefix("m_")
    rail.run("mission", mission_id, agent="researcher", service="desk")
    rail.run("plan", f"p_{name}", mission_id, plan_type="sequential")
    rail.run("job", f"j_{name}", f"p_{name}", job_type="llm_call")
    rail.run("attempt", f"a_{name}", f"j_{name}", attempt_number=1)
    return rail.run("resource", f"r_{name}", f"a_{name}", model="gpt-5-mini")
