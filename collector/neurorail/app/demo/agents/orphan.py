"""A job without a plan: it names its mission, and a parent span that nobody ever sends."""

from __future__ import annotations

import secrets
import time

from opentelemetry import baggage, context, trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from neurorail.app.demo.agents.chain import job, new_id
from neurorail.app.demo.agents.result import Result, Used
from neurorail.app.demo.agents.telemetry import telemetry
from neurorail.semconv.attributes import MISSION_ID

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
    mission_id = new_id("m_")
    with telemetry():
        token = context.attach(baggage.set_baggage(MISSION_ID, mission_id, lost_parent()))
        with job("tool_execution") as lost:
            time.sleep(WORK_S)
        context.detach(token)
    Result([Used(mission_id)], lost.id).tell()


if __name__ == "__main__":
    main()
