"""Every kind of kept object: one line a kind."""

from __future__ import annotations

from typing import Any, Final

from neurorail.rules import once
from neurorail.rules.kept import Kind

KINDS: Final[tuple[Kind[Any], ...]] = (once.WRITES,)
