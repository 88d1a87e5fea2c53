"""A job without a plan: it names its mission, and a parent span that nobody ever sends.

NeuroRail's own API gives every missing level an id; this is what happens to those who write the
attributes by hand and forget one.
"""

from __future__ import annotations

import secrets
import time
from uuid import uuid4

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from neurorail.app.demo.agents.result import Result, Used
from neurorail.app.demo.agents.telemetry import telemetry
from neurorail.instrumentation import report, resume
from neurorail.semconv import attributes as names

# Longer than a parent may take to appear.
WORK_S = 4.5


def lost_parent() -> Context:
    """The context of a span in another process that never reports."""
    parent = SpanContext(
        trace_id=secrets.randbits(128) | 1,
        span_id=secrets.randbits(64) | 1,
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return trace.set_span_in_context(NonRecordingSpan(parent))


def main() -> None:
    """Work on one job whose plan is missing."""
    mission_id, job_id = f"m_{uuid4().hex}", f"j_{uuid4().hex}"
    attributes = {
        names.MISSION_ID: mission_id,
        names.JOB_ID: job_id,
        names.ENTITY_TYPE: "job",
        names.JOB_TYPE: "tool_execution",
    }
    with telemetry():
        tracer = trace.get_tracer("orphan")
        with tracer.start_as_current_span("job", lost_parent(), attributes=attributes):
            with resume(mission_id):
                report(job_id, "create", "enqueue", "start")
            time.sleep(WORK_S)
    Result([Used(mission_id)], job_id).tell()


if __name__ == "__main__":
    main()
