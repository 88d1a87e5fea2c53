"""Pieces of real telemetry that several tests send."""

from __future__ import annotations

import time

from tests.end_to_end.rail import MS, SECOND, Chain, Rail, until

ENTITIES = 6
"""Of a mission that `overspent` makes: two attempts, one call."""


def overspent(rail: Rail, limit: int = 100) -> Chain:
    """A mission that retried, and used 400 tokens where its job was allowed fewer."""
    chain = Chain()
    now = time.time_ns()
    second = {"neurorail.attempt.id": chain.attempt + "2"}
    attempts = [
        chain.entity("attempt", 4, times=(now - 3 * SECOND, now - 2 * SECOND),
                     **{"neurorail.attempt.number": 1, "neurorail.outcome": "failed",
                        "neurorail.error.code": "NR-E004"}),
        chain.entity("attempt", 5, times=(now - 2 * SECOND, now - SECOND),
                     **second, **{"neurorail.attempt.number": 2}),
    ]  # fmt: skip
    call = chain.entity(
        "resource", 6, times=(now - 2 * SECOND, now - 1500 * MS), **second,
        gen_ai__operation__name="chat", gen_ai__request__model="gpt-4o-mini",
        gen_ai__provider__name="openai", gen_ai__usage__input_tokens=300,
        gen_ai__usage__output_tokens=100,
    )  # fmt: skip
    whole = (now - 3 * SECOND, now - SECOND)
    rail.send_spans(
        *attempts,
        call,
        chain.entity("job", 3, times=whole, **{
            "neurorail.job.type": "llm_call", "neurorail.budget.max_tokens": limit}),
        chain.entity("plan", 2, times=whole),
        chain.entity("mission", 1, times=whole, **{
            "gen_ai.agent.name": "browser-test", "neurorail.tag.case": chain.mark[:6],
            "neurorail.budget.max_tokens": 1000}),
    )  # fmt: skip
    until("the mission ended", lambda: state_of(rail, chain.mission) == "succeeded")
    rail.all_is_applied()
    return chain


def state_of(rail: Rail, mission_id: str) -> str | None:
    """The state of a mission, None while it is unknown."""
    found = rail.get("/missions", limit=1000)["missions"]
    return next((str(m["state"]) for m in found if m["entity_id"] == mission_id), None)
