"""A healthy crew: two missions at once, each a plan of three jobs that depend on each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from openai import OpenAI

from neurorail.app.demo.agents.result import Result, Used
from neurorail.app.demo.agents.telemetry import telemetry
from neurorail.instrumentation import Budget, attempt, job, mission, plan, tool

SEARCH: Any = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Search the library.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}},
    },
}
BUDGET = Budget(max_tokens=20_000, max_cost_usd="0.5", timeout_ms=60_000)


def research(client: OpenAI, topic: str) -> Used:
    """One mission: look for sources, embed them, write a summary as a stream."""
    used = Used()
    with mission(topic, tags={"team": "research"}, budget=BUDGET) as whole, plan("dag"):
        used.mission_id = whole.id
        with job("tool_execution") as find, attempt(1):
            _find(client, topic, used)
        with job("llm_call", dependencies=[find.id]) as embed, attempt(1):
            texts = [f"{topic}, source {number}" for number in range(4)]
            vectors = client.embeddings.create(model="text-embedding-3-small", input=texts)
            used.add(vectors.usage)
        with job("llm_call", dependencies=[embed.id]), attempt(1):
            _summarise(client, topic, used)
    return used


def _find(client: OpenAI, topic: str, used: Used) -> None:
    messages: list[Any] = [{"role": "user", "content": f"Find sources on {topic}."}]
    while True:
        answer = client.chat.completions.create(
            model="gpt-4o-mini", messages=messages, tools=[SEARCH]
        )
        used.add(answer.usage)
        message = answer.choices[0].message
        if not message.tool_calls:
            return
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            with tool("search"):
                used.tool_calls += 1
                found = "five documents"
            messages.append({"role": "tool", "tool_call_id": call.id, "content": found})


def _summarise(client: OpenAI, topic: str, used: Used) -> None:
    chunks = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": f"Summarise what is known on {topic}."}],
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in chunks:
        used.add(chunk.usage)


def main() -> None:
    """Run two missions at once."""
    topics = ("tidal power", "bees in cities")
    with telemetry(), OpenAI(max_retries=0) as client, ThreadPoolExecutor(len(topics)) as pool:
        missions = list(pool.map(lambda topic: research(client, topic), topics))
    Result(missions).tell()


if __name__ == "__main__":
    main()
