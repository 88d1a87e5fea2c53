"""An agent that knows nothing of NeuroRail: OpenTelemetry's GenAI conventions and no more."""

from __future__ import annotations

from typing import Any

from openai import OpenAI
from opentelemetry import trace

from neurorail.app.demo.agents.plain_telemetry import telemetry
from neurorail.app.demo.agents.research_crew import SEARCH
from neurorail.app.demo.agents.result import Result, Used


def main() -> None:
    """Answer one question with one tool, as any instrumented agent does."""
    used = Used()
    with telemetry(), OpenAI(max_retries=0) as client:
        tracer = trace.get_tracer("helpdesk")
        with tracer.start_as_current_span(
            "invoke_agent helpdesk",
            attributes={
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.provider.name": "openai",
                "gen_ai.agent.name": "helpdesk",
            },
        ) as span:
            # NeuroRail derives the mission's id from the trace.
            used.mission_id = f"m_{span.get_span_context().trace_id:032x}"
            answer_question(client, tracer, used)
    Result([used]).tell()


def answer_question(client: OpenAI, tracer: trace.Tracer, used: Used) -> None:
    """Ask, look it up, ask again."""
    messages: list[Any] = [{"role": "user", "content": "Why is my parcel late?"}]
    for _ in range(2):
        answer = client.chat.completions.create(
            model="gpt-4o-mini", messages=messages, tools=[SEARCH]
        )
        used.add(answer.usage)
        message = answer.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls or ():
            with tracer.start_as_current_span(
                "execute_tool search",
                attributes={
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": "search",
                    "gen_ai.tool.call.id": call.id,
                },
            ):
                used.tool_calls += 1
            messages.append({"role": "tool", "tool_call_id": call.id, "content": "a strike"})


if __name__ == "__main__":
    main()
