"""What every agent of the demonstration sets up: NeuroRail, and the OpenAI client's telemetry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

from neurorail.instrumentation import configure, shutdown


@contextmanager
def telemetry() -> Iterator[None]:
    """Set up, and send what is left when leaving."""
    configure()
    OpenAIInstrumentor().instrument()
    try:
        yield
    finally:
        OpenAIInstrumentor().uninstrument()
        shutdown()
