"""A job that runs past its time: the model is slow, and the agent waits for it all the same."""

from __future__ import annotations

from openai import OpenAI

from neurorail.app.demo.agents.result import Result, Used
from neurorail.app.demo.agents.telemetry import telemetry
from neurorail.instrumentation import Budget, attempt, job, mission, plan

TIMEOUT_MS = 2_000


def write_report(client: OpenAI) -> Result:
    """One job with two seconds that takes five."""
    with (
        mission("overnight report", tags={"team": "finance"}) as whole,
        plan(),
        job("llm_call", budget=Budget(timeout_ms=TIMEOUT_MS)) as step,
        attempt(1),
    ):
        used = Used(whole.id)
        answer = client.chat.completions.create(
            model="gpt-4o-mini+slow",
            messages=[{"role": "user", "content": "Write the long report."}],
        )
        used.add(answer.usage)
    return Result([used], step.id)


def main() -> None:
    """Write the report."""
    with telemetry(), OpenAI(max_retries=0) as client:
        result = write_report(client)
    result.tell()


if __name__ == "__main__":
    main()
