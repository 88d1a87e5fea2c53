"""The agent's side: the chain, telemetry, and the gate that holds limits inside the process.

An agent needs nothing of it to be governed after the fact: plain OpenTelemetry is enough.
"""

from neurorail.instrumentation.budget import Budget
from neurorail.instrumentation.chain import attempt, job, mission, plan, resource, tool
from neurorail.instrumentation.configure import configure, shutdown
from neurorail.instrumentation.current import current_entity
from neurorail.instrumentation.entity import Entity
from neurorail.instrumentation.errors import NeuroRailError, NeuroRailFailed, NeuroRailRefused
from neurorail.instrumentation.execution import arun, run
from neurorail.instrumentation.gate.config import GateConfig
from neurorail.instrumentation.gate.status import GateStatus
from neurorail.instrumentation.process import gate_status
from neurorail.instrumentation.propagation import carrier, child_environment, resume
from neurorail.instrumentation.report import report

__all__ = [
    "Budget",
    "Entity",
    "GateConfig",
    "GateStatus",
    "NeuroRailError",
    "NeuroRailFailed",
    "NeuroRailRefused",
    "arun",
    "attempt",
    "carrier",
    "child_environment",
    "configure",
    "current_entity",
    "gate_status",
    "job",
    "mission",
    "plan",
    "report",
    "resource",
    "resume",
    "run",
    "shutdown",
    "tool",
]
