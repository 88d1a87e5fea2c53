"""The provider fails twice; the agent tries again, each time as a new attempt of the same job."""

from __future__ import annotations

from uuid import uuid4

from openai import OpenAI

from neurorail.app.demo.agents.result import Result, Used
from neurorail.app.demo.agents.telemetry import telemetry
from neurorail.instrumentation import mission, plan, run

RETRIES = 3


def classify(client: OpenAI, used: Used) -> None:
    """One attempt. That the provider answers 503 makes its failure one to try again after."""
    answer = client.chat.completions.create(
        model="gpt-4o-mini+flaky",
        messages=[{"role": "user", "content": "Is this invoice overdue?"}],
    )
    used.add(answer.usage)


def check_invoice(client: OpenAI) -> Result:
    """One mission with one job that needs three attempts."""
    job_id = f"j_{uuid4().hex}"
    with mission("invoice check", tags={"team": "finance"}) as whole, plan():
        used = Used(whole.id)
        run("llm_call", classify, client, used, retries=RETRIES, job_id=job_id)
    return Result([used], job_id)


def main() -> None:
    """Check the invoice."""
    # The agent retries, not the client: a retry is to be seen as an attempt.
    with telemetry(), OpenAI(max_retries=0) as client:
        result = check_invoice(client)
    result.tell()


if __name__ == "__main__":
    main()
