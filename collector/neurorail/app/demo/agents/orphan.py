"""A job without a plan: it names its mission, and a parent span that nobody ever sends."""

from __future__ import annotations

import secrets
import time

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from neurorail.app.demo.agents.chain import new_id
from neurorail.app.demo.agents.result import Result, Used
from neurorail.app.demo.agents.telemetry import telemetry
from neurorail.semconv.attributes import ENTITY_TYPE, JOB_ID, JOB_TYPE, MISSION_ID


def main() -> None:
    """Send one job whose parent is missing."""
    mission_id, job_id = new_id("m_"), new_id("j_")
    with telemetry():
        lost = SpanContext(
            trace_id=secrets.randbits(128) | 1,
            span_id=secrets.randbits(64) | 1,
            is_remote=True,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
        )
        with trace.get_tracer("neurorail.demo").start_as_current_span(
            "job tool_execution",
            context=trace.set_span_in_context(NonRecordingSpan(lost)),
            attributes={
                MISSION_ID: mission_id,
                JOB_ID: job_id,
                ENTITY_TYPE: "job",
                JOB_TYPE: "tool_execution",
            },
        ):
            time.sleep(0.2)
    Result([Used(mission_id)], job_id).tell()


if __name__ == "__main__":
    main()
