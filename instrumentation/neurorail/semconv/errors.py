"""Error codes. A published number never changes its meaning; new codes take new numbers."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

MECHANICAL: Final = "MECHANICAL"
SYSTEM: Final = "SYSTEM"
ETHICAL: Final = "ETHICAL"


@dataclass(frozen=True, slots=True)
class Code:
    """One error code: what clients may rely on."""

    code: str
    name: str
    category: str
    retriable: bool
    meaning: str


_CODES: Final = (
    Code("NR-E001", "EXEC_TIMEOUT", MECHANICAL, True, "execution timeout"),
    Code("NR-E002", "BUDGET_EXCEEDED", MECHANICAL, False, "budget exceeded"),
    Code("NR-E003", "RETRIES_EXHAUSTED", MECHANICAL, False, "max retries exhausted"),
    Code("NR-E004", "UPSTREAM_UNAVAILABLE", MECHANICAL, True, "upstream service unavailable"),
    Code("NR-E005", "BAD_RESPONSE", MECHANICAL, True, "bad response format"),
    Code("NR-E006", "REFLEX_COOLDOWN", MECHANICAL, False, "reflex cooldown or open circuit"),
    Code("NR-E007", "ORPHAN_KILLED", SYSTEM, False, "orphan: no parent context"),
    Code("NR-E008", "KILLED", MECHANICAL, False, "an operator's kill switch"),
    Code("NR-E009", "CONFIRMATION_REQUIRED", MECHANICAL, False, "a person has to confirm"),
    Code("NR-E010", "THROTTLED", MECHANICAL, True, "over the allowed rate"),
    Code("NR-E011", "CONTROL_UNREACHABLE", SYSTEM, True, "the server cannot be asked"),
    Code("NR-E110", "MANIFEST_INVALID", SYSTEM, False, "manifest missing or malformed"),
    Code("NR-E132", "ACTIVATION_BLOCKED", SYSTEM, False, "the manifest's gate is not met"),
    Code("NR-E301", "ILLEGAL_TRANSITION", SYSTEM, False, "a transition the table does not list"),
    Code("NR-E302", "AUDIT_FAILURE", SYSTEM, False, "the audit trail fails verification"),
    Code("NR-E304", "MISSING_TRACE_CONTEXT", SYSTEM, False, "a write names no usable chain"),
)

CODES: Final = MappingProxyType({code.code: code for code in _CODES})
"""Every code by its number."""


def category(code: str | None) -> str:
    """The category of a code: an unknown one is MECHANICAL, a manifest's own NR-E2xx ETHICAL."""
    if code is None:
        return MECHANICAL
    known = CODES.get(code)
    if known is not None:
        return known.category
    return ETHICAL if code.startswith("NR-E2") else MECHANICAL


def retriable(code: str) -> bool:
    """Whether trying again can help: what the code's row says; an unknown code says no."""
    known = CODES.get(code)
    return known is not None and known.retriable
