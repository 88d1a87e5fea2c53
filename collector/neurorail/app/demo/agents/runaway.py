"""An agent in a loop: the model asks for the same tool for ever, and the gate ends it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import uuid4

from openai import OpenAI

from neurorail.app.demo.agents.research_crew import SEARCH
from neurorail.app.demo.agents.result import Result, Used
from neurorail.app.demo.agents.telemetry import telemetry
from neurorail.instrumentation import Budget, NeuroRailRefused, attempt, job, mission, plan, tool

BUDGET_TOKENS = 8_000


def turn(client: OpenAI, messages: list[Any], used: Used) -> None:
    """Ask the model, and do what it asks."""
    answer = client.chat.completions.create(
        model="gpt-4o-mini+loop", messages=messages, tools=[SEARCH]
    )
    used.add(answer.usage)
    message = answer.choices[0].message
    messages.append(message.model_dump(exclude_none=True))
    for call in message.tool_calls or ():
        with tool("search"):
            used.tool_calls += 1
        messages.append({"role": "tool", "tool_call_id": call.id, "content": "nothing new"})


def scan_market(client: OpenAI) -> Result:
    """Loop for ever: it is the gate that ends it, before the first call beyond the budget."""
    used, job_id = Used(), f"j_{uuid4().hex}"
    with (
        suppress(NeuroRailRefused),
        mission("market scan", tags={"team": "strategy"}) as whole,
        plan(),
        job("llm_call", id=job_id, budget=Budget(max_tokens=BUDGET_TOKENS)),
        attempt(1),
    ):
        used.mission_id = whole.id
        messages: list[Any] = [{"role": "user", "content": "Find one more competitor."}]
        while True:
            turn(client, messages, used)
    return Result([used], job_id)


def main() -> None:
    """Scan the market."""
    with telemetry(), OpenAI(max_retries=0) as client:
        result = scan_market(client)
    result.tell()


if __name__ == "__main__":
    main()
