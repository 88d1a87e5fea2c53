"""What the answers have in common."""

from __future__ import annotations

import sys
from typing import Literal

if sys.version_info >= (3, 12):
    from typing import TypedDict
else:  # What describes the API reads these types, which needs the newer one.
    from typing_extensions import TypedDict

__all__ = ["Level", "Scope", "Severity", "State", "TypedDict", "Warned"]

Level = Literal["mission", "plan", "job", "attempt", "resource"]
State = Literal["pending", "queued", "running", "succeeded", "failed", "timeout", "cancelled"]
Severity = Literal["info", "warning", "error", "critical"]
Scope = dict[str, str | None]


class Warned(TypedDict):
    """Something about a write that may be a mistake."""

    code: str
    field: str
    detail: str
