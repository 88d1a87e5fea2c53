"""Spans with what was decided about them while their record was judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from neurorail.collector.stream.event import EventLine
from neurorail.semconv import attributes as names

DECISION: Final = "neurorail.decision"
VIOLATION_CODES: Final = "neurorail.violation.codes"
COST_USD: Final = "neurorail.cost_usd"
VIOLATED: Final = "violated"
PASSED: Final = "passed"
_OWN: Final = frozenset({DECISION, VIOLATION_CODES, COST_USD})
_VIOLATIONS: Final = frozenset(
    {"budget_violation", "timeout_enforced", "transition_rejected", "retry_exhausted",
     "parallelism_rejected", "orphan_detected"}
)  # fmt: skip
_PICO: Final = 10**12


class _Fields(msgspec.Struct, gc=False):
    code: str = ""
    cost_usd_pico: int | None = None


_decode = msgspec.json.Decoder(_Fields).decode


class Decided:
    """What the events of one record say, by entity."""

    def __init__(self, lines: Sequence[EventLine]) -> None:
        self._codes: dict[str, set[str]] = {}
        self._costs: dict[str, int] = {}
        for line in lines:
            if line.event_type in _VIOLATIONS:
                code = _decode(line.data).code
                entity_id = line.entity_id or next(reversed(line.chain), "")
                if entity_id and code:
                    self._codes.setdefault(entity_id, set()).add(code)
            elif line.event_type == "cost_tracked":
                pico = _decode(line.data).cost_usd_pico
                if pico is not None and line.resource_id:
                    self._costs[line.resource_id] = self._costs.get(line.resource_id, 0) + pico

    def codes(self, entity_ids: Sequence[str]) -> list[str]:
        """The codes of violations of any of the entities, sorted."""
        return sorted({code for each in entity_ids for code in self._codes.get(each, ())})

    def take_cost(self, resource_ids: Sequence[str]) -> int | None:
        """What a call cost, in pico-USD, for the first span that asks; None when none is known."""
        for resource_id in resource_ids:
            if resource_id in self._costs:
                return self._costs.pop(resource_id)
        return None


def enriched(body: bytes, lines: Sequence[EventLine]) -> bytes:
    """A traces request whose spans carry what `lines`, the events of its record, say.

    Args:
        body: an `ExportTraceServiceRequest`.
        lines: the events of the record that holds it.
    """
    request = ExportTraceServiceRequest.FromString(body)
    decided = Decided(lines)
    for span in _spans(request):
        found = {attribute.key: attribute.value.string_value for attribute in span.attributes}
        for attribute in [each for each in span.attributes if each.key in _OWN]:
            span.attributes.remove(attribute)  # Only this server says what it decided.
        codes = decided.codes(_entities(span, found))
        _text(span, DECISION, VIOLATED if codes else PASSED)
        if codes:
            array = span.attributes.add(key=VIOLATION_CODES).value.array_value
            for code in codes:
                array.values.add(string_value=code)
        cost = decided.take_cost(_resources(span, found))
        if cost is not None:
            span.attributes.add(key=COST_USD).value.double_value = cost / _PICO
    result: bytes = request.SerializeToString()
    return result


def _spans(request: ExportTraceServiceRequest) -> Iterator[Any]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans


def _entities(span: Any, found: dict[str, str]) -> list[str]:
    """The entities on the span's chain: those it names, and those that its ids give."""
    named = [found[key] for key in names.CHAIN_IDS if found.get(key)]
    span_hex = span.span_id.hex()
    return [*named, f"m_{span.trace_id.hex()}", *(f"{prefix}_{span_hex}" for prefix in "pjar")]


def _resources(span: Any, found: dict[str, str]) -> list[str]:
    """The resource that the span itself may be; a span below one only names it."""
    own = [f"r_{span.span_id.hex()}"]
    is_call = found.get(names.ENTITY_TYPE) == "resource" or "gen_ai.operation.name" in found
    return [found[names.RESOURCE_ID], *own] if is_call and found.get(names.RESOURCE_ID) else own


def _text(span: Any, key: str, value: str) -> None:
    span.attributes.add(key=key).value.string_value = value
