"""What a span's own attributes say that its call used, as the server reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.trace import Span

from neurorail.instrumentation.gate.call import NO_USAGE, Usage
from neurorail.semconv.genai import CURRENT, EMBEDDING, INFERENCE

_OPERATION: Final = "gen_ai.operation.name"
_ROLES: Final = next(rule.roles for rule in CURRENT.roles if rule.attribute == _OPERATION)
_BILLED: Final = (INFERENCE, EMBEDDING)


def told_usage(span: Span) -> Usage:
    """The usage that somebody set on a span; none of a span that repeats what others used."""
    attributes: Mapping[str, Any] | None = getattr(span, "attributes", None)
    if not attributes:
        return NO_USAGE
    known = dict(attributes)  # The SDK's own mapping takes a lock for each look.
    if not _is_billed(known):
        return NO_USAGE
    given_in, given_out = _count(known, "input_tokens"), _count(known, "output_tokens")
    total = _count(known, "total_tokens")
    if total is not None:
        if given_in is None:
            given_in = max(0, total - (given_out or 0))
        elif given_out is None:
            given_out = max(0, total - given_in)
    if given_in is None and given_out is None:
        return NO_USAGE
    cached = (_count(known, "cache_read_tokens") or 0) + (_count(known, "cache_write_tokens") or 0)
    inputs = given_in or 0
    # A part can never be more than its whole: such a sender left it out.
    inputs += cached if cached > inputs else 0
    return Usage(
        inputs,
        given_out or 0,
        cached_tokens=cached,
        response_id=_text(known, "response_id"),
        response_model=_text(known, "response_model"),
    )


def _is_billed(known: Mapping[str, Any]) -> bool:
    """Agents, workflows and tools repeat what their calls used."""
    operation = known.get(_OPERATION)
    return not isinstance(operation, str) or _ROLES.get(operation.lower(), INFERENCE) in _BILLED


def _count(known: Mapping[str, Any], meaning: str) -> int | None:
    for name in CURRENT.aliases[meaning]:
        value = known.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53:
            return int(value)
    return None


def _text(known: Mapping[str, Any], meaning: str) -> str:
    return next(
        (text for name in CURRENT.aliases[meaning] if isinstance(text := known.get(name), str)), ""
    )
