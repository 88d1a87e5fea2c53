"""What the chain costs an agent: five governed levels against the same spans from the bare SDK.

Both export through a batch processor to an exporter that does nothing. The governed chain also
sends a start event an entity, stamps ids, and passes the gate.

    python -m bench.chain
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from neurorail.instrumentation import attempt, job, mission, plan, resource
from neurorail.instrumentation.event_processor import EventProcessor
from neurorail.instrumentation.process import process
from neurorail.instrumentation.stamp import ChainSpanProcessor
from neurorail.semconv import attributes as names

LEVELS: Final = ("mission", "plan", "job", "attempt", "resource")
OWN: Final = {f"app.attribute_{n}": f"value {n}" if n % 2 else n for n in range(8)}


class NoSpans(SpanExporter):
    """Takes spans and forgets them."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Nothing."""
        return SpanExportResult.SUCCESS


class NoLogs(LogRecordExporter):
    """Takes log records and forgets them."""

    def export(self, batch: Sequence[Any]) -> LogRecordExportResult:
        """Nothing."""
        return LogRecordExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits."""
        return True


def bare_chain(tracer: trace.Tracer, attributes: list[dict[str, Any]]) -> None:
    """Five spans in each other."""
    start = tracer.start_as_current_span
    with (
        start("mission", attributes=attributes[0]),
        start("plan", attributes=attributes[1]),
        start("job", attributes=attributes[2]),
        start("attempt", attributes=attributes[3]),
        start("resource", attributes=attributes[4]),
    ):
        pass


def governed_chain() -> None:
    """The same five levels, governed."""
    with (
        mission("bench", attributes=OWN),
        plan(attributes=OWN),
        job("llm_call", attributes=OWN),
        attempt(attributes=OWN),
        resource("llm_call", attributes=OWN),
    ):
        pass


def same_attributes() -> list[dict[str, Any]]:
    """What the governed spans carry: their own eight, the chain's ids, and what they are."""
    found: list[dict[str, Any]] = []
    for level in range(len(LEVELS)):
        ids = {names.CHAIN_IDS[n]: f"{names.ID_PREFIXES[n]}{n:032x}" for n in range(level + 1)}
        found.append({**ids, **OWN, names.ENTITY_TYPE: LEVELS[level], "neurorail.kind": "bench"})
    return found


def us_a_span(work: Callable[[], None], flush: Callable[[], object], chains: int) -> float:
    """Microseconds of processor time a span, of all threads."""
    began = time.process_time_ns()
    for _ in range(chains):
        work()
    flush()
    return (time.process_time_ns() - began) / chains / len(LEVELS) / 1_000


def main() -> None:
    """Measure in turns, so that whatever else runs hits all alike; print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--chains", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()

    bare_provider = TracerProvider()
    bare_provider.add_span_processor(BatchSpanProcessor(NoSpans()))
    bare = bare_provider.get_tracer("bench")
    provider = TracerProvider()
    provider.add_span_processor(ChainSpanProcessor())
    provider.add_span_processor(BatchSpanProcessor(NoSpans()))
    trace.set_tracer_provider(provider)
    here = process()
    here.rejoin()
    here.events.processor = EventProcessor(NoLogs())
    here.events.processor.resource = Resource.get_empty()

    eight = [dict(OWN) for _ in LEVELS]
    same = same_attributes()
    runs: dict[str, tuple[Callable[[], None], list[float]]] = {
        "bare, 8 attributes": (lambda: bare_chain(bare, eight), []),
        "bare, the same attributes": (lambda: bare_chain(bare, same), []),
        "governed": (governed_chain, []),
    }

    def flush() -> None:
        here.events.flush()
        provider.force_flush()
        bare_provider.force_flush()

    gc.collect()
    for _ in range(options.rounds):
        for work, times in runs.values():
            times.append(us_a_span(work, flush, options.chains))
    medians = {name: statistics.median(times) for name, (_, times) in runs.items()}
    for name, median in medians.items():
        print(f"{name:26} {median:6.1f} us a span")
    governed = medians["governed"]
    for name in list(medians)[:2]:
        print(f"governed against {name}: {governed / medians[name]:.2f}")
    print(f"events dropped: {here.events.processor.dropped}")
    here.stop()
    here.events.processor.shutdown()


if __name__ == "__main__":
    main()
