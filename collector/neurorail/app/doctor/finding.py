"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OK: Final = "ok"
WARNING: Final = "warning"
WRONG: Final = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check. Only `wrong` makes the command fail."""

    check: str
    status: str
    detail: str
    remedy: str = ""
    """What to do about it; empty when nothing has to be done."""
