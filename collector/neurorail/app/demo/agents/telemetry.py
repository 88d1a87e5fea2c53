"""What every agent of the demonstration sets up: telemetry, the gate, and guarded clients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from neurorail.instrumentation import shutdown
from neurorail.instrumentation.instrumentor import NeuroRailInstrumentor


@contextmanager
def telemetry() -> Iterator[None]:
    """Set up, and send what is left when leaving."""
    instrumentor = NeuroRailInstrumentor()
    instrumentor.instrument()
    try:
        yield
    finally:
        instrumentor.uninstrument()
        shutdown()
