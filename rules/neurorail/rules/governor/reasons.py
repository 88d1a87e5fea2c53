"""Reasons: why a request is refused or warned of, and which of them is the strictest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from neurorail.rules.manifest.limits import ENFORCE

SOON_MS: Final = 1_000
"""When to try again where amounts that others hold stand in the way: they may be freed any time."""

_STRICTNESS: Final = (
    "NR-E008",
    "NR-E301",
    "NR-E304",
    "NR-E009",
    "NR-E006",
    "NR-E001",
    "NR-E003",
    "NR-E002",
    "NR-E010",
)
"""Codes, strictest first; a manifest's own (NR-E2xx) come right after the kill switch."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule that has something against a request."""

    rule_id: str
    code: str
    severity: str
    message: str
    retry_after_ms: int | None = None
    """When trying again can help; None where it cannot."""
    evidence: dict[str, Any] = field(default_factory=dict)

    @property
    def refuses(self) -> bool:
        """Whether it stands in the way."""
        return self.severity == ENFORCE

    def data(self) -> dict[str, Any]:
        """The reason as events say it."""
        return {
            "rule_id": self.rule_id,
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "retriable": self.retry_after_ms is not None,
            "retry_after_ms": self.retry_after_ms,
            **self.evidence,
        }


def ordered(reasons: Sequence[Reason]) -> list[Reason]:
    """What refuses first, the strictest code first, what trying again cannot help first."""
    return sorted(
        reasons,
        key=lambda one: (not one.refuses, _rank(one.code), one.retry_after_ms is not None),
    )


def _rank(code: str) -> tuple[int, str]:
    if code in _STRICTNESS:
        return 2 * _STRICTNESS.index(code), code
    return 1, code


def retry_after_ms(refusals: Sequence[Reason]) -> int | None:
    """When trying again can help against all of them; None if it cannot against one of them."""
    waits = [one.retry_after_ms for one in refusals]
    known = [wait for wait in waits if wait is not None]
    return max(known) if known and len(known) == len(waits) else None
