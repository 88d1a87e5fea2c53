"""An agent with a bug: it starts a job again that has already succeeded. That is illegal."""

from __future__ import annotations

import time

from openai import OpenAI

from neurorail.app.demo.agents.result import Result, Used
from neurorail.app.demo.agents.telemetry import telemetry
from neurorail.instrumentation import attempt, job, mission, plan, report

# Longer than clocks may differ: sooner, the report would count as late rather than wrong.
LATER_S = 2.0


def write_newsletter(client: OpenAI) -> Result:
    """Do a job, then claim to start it once more."""
    with mission("newsletter", tags={"team": "marketing"}) as whole, plan():
        used = Used(whole.id)
        with job("llm_call") as step, attempt(1):
            answer = client.chat.completions.create(
                model="gpt-4o-mini",
                messages=[{"role": "user", "content": "Write one line for Friday."}],
            )
            used.add(answer.usage)
        start_again(step.id)
    return Result([used], step.id)


def start_again(job_id: str) -> None:
    """The bug: a worker that took the job from a queue a second time."""
    time.sleep(LATER_S)
    report(job_id, "start")


def main() -> None:
    """Write the newsletter."""
    with telemetry(), OpenAI(max_retries=0) as client:
        result = write_newsletter(client)
    result.tell()


if __name__ == "__main__":
    main()
