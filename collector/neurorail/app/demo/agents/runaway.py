"""An agent in a loop: the model asks for the same tool again and again, past the token budget."""

from __future__ import annotations

from typing import Any

from openai import OpenAI

from neurorail.app.demo.agents.research_crew import SEARCH
from neurorail.app.demo.agents.result import Result, Used
from neurorail.app.demo.agents.telemetry import telemetry
from neurorail.instrumentation import Budget, attempt, job, mission, plan, tool

BUDGET_TOKENS = 8_000
TURNS = 8


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
    """Loop until even this agent gives up."""
    with (
        mission("market scan", tags={"team": "strategy"}) as whole,
        plan(),
        job("llm_call", budget=Budget(max_tokens=BUDGET_TOKENS)) as step,
        attempt(1),
    ):
        used = Used(whole.id)
        messages: list[Any] = [{"role": "user", "content": "Find one more competitor."}]
        for _ in range(TURNS):
            turn(client, messages, used)
    return Result([used], step.id)


def main() -> None:
    """Scan the market."""
    with telemetry(), OpenAI(max_retries=0) as client:
        result = scan_market(client)
    result.tell()


if __name__ == "__main__":
    main()
