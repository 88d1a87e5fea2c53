"""The span processor that stamps the chain on every span below it, whoever started it."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor

from neurorail.instrumentation.current import as_attributes, chain_ids
from neurorail.instrumentation.events import SCOPE
from neurorail.instrumentation.gate.call import current_call
from neurorail.instrumentation.spans import is_call_span, stamp_call
from neurorail.semconv.attributes import MISSION_ID


class ChainSpanProcessor(SpanProcessor):
    """Copies the chain's ids onto each span that begins, so that a single span can be placed.

    A span that already names a mission keeps what it says. Only what NeuroRail put into baggage
    is copied; other baggage stays where it is.
    """

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Stamp a span."""
        scope = span.instrumentation_scope
        if scope is not None and scope.name == SCOPE:
            return  # Ours begin with everything on them.
        known = span.attributes
        if known is None or MISSION_ID not in known:
            ids = chain_ids(parent_context)
            if ids:
                span.set_attributes(as_attributes(ids))
        call = current_call(parent_context)
        if call is not None and is_call_span(span):
            stamp_call(span, call)
