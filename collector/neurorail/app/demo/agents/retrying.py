"""The provider fails twice; the agent tries again, each time as a new attempt of the same job."""

from __future__ import annotations

import time

from openai import APIStatusError, OpenAI

from neurorail.app.demo.agents.chain import Failed, attempt, job, mission, plan
from neurorail.app.demo.agents.result import Result, Used
from neurorail.app.demo.agents.telemetry import telemetry

ATTEMPTS = 4


def classify(client: OpenAI, used: Used, number: int) -> None:
    """One attempt."""
    with attempt(number):
        try:
            answer = client.chat.completions.create(
                model="gpt-4o-mini+flaky",
                messages=[{"role": "user", "content": "Is this invoice overdue?"}],
            )
        except APIStatusError as error:
            raise Failed("NR-E004", f"provider answered {error.status_code}") from error
        used.add(answer.usage)


def check_invoice(client: OpenAI) -> Result:
    """One mission with one job that needs three attempts."""
    with (
        mission("invoice check", tags={"team": "finance"}) as whole,
        plan(),
        job("llm_call", budget={"max_retries": 3}) as step,
    ):
        used = Used(whole.id)
        for number in range(1, ATTEMPTS + 1):
            try:
                classify(client, used, number)
                break
            except Failed:
                if number == ATTEMPTS:
                    raise
                time.sleep(0.3)
    return Result([used], step.id)


def main() -> None:
    """Check the invoice."""
    # The agent retries, not the client: a retry is to be seen as an attempt.
    with telemetry(), OpenAI(max_retries=0) as client:
        result = check_invoice(client)
    result.tell()


if __name__ == "__main__":
    main()
