"""What an entity may use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from opentelemetry.util.types import AttributeValue

from neurorail.semconv.attributes import BUDGET_FIELDS, BUDGET_PREFIX

ENVIRONMENT_PREFIX: Final = "NEURORAIL_BUDGET_"


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of an entity. Zero means zero; None means that the entity itself sets no limit.

    A child can never use more than its ancestors have left.
    """

    timeout_ms: int | None = None
    """Longest time from start to end, in milliseconds."""
    max_tokens: int | None = None
    """Tokens of models, input and output together."""
    max_cost_usd: Decimal | float | str | None = None
    """Cost in US dollars, read as a decimal number."""
    max_retries: int | None = None
    """Attempts of a job beyond the first."""
    max_parallel: int | None = None
    """Children that run at once."""
    max_tool_calls: int | None = None
    """Calls of tools."""
    fail_closed: bool = False
    """Whether nothing is done below it while the server cannot be asked."""

    def __post_init__(self) -> None:
        """Check the limits.

        Raises:
            ValueError: one is negative or no number.
        """
        for name, value in self.limits().items():
            if name == "max_cost_usd":
                _usd(value)
            elif not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ValueError(f"{name} = {value!r}: write a whole number, 0 or more")

    def limits(self) -> dict[str, int | Decimal | float | str]:
        """The limits that are set, by name."""
        named = ((name, getattr(self, name)) for name in BUDGET_FIELDS)
        return {name: value for name, value in named if value is not None}

    def attributes(self) -> dict[str, AttributeValue]:
        """The limits as they travel: cost as decimal text, everything else as integers."""
        found: dict[str, AttributeValue] = {}
        for name, value in self.limits().items():
            found[f"{BUDGET_PREFIX}{name}"] = value if isinstance(value, int) else str(value)
        return found

    @property
    def cost_usd(self) -> Decimal | None:
        """`max_cost_usd` as the number it is read as."""
        return None if self.max_cost_usd is None else _usd(self.max_cost_usd)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Budget | None:
        """The limits in `NEURORAIL_BUDGET_MAX_TOKENS` and so on; None when there is none.

        Raises:
            ValueError: one is no number.
        """
        given = os.environ if environment is None else environment
        values: dict[str, int | str] = {}
        for name in BUDGET_FIELDS:
            variable = f"{ENVIRONMENT_PREFIX}{name.upper()}"
            text = given.get(variable, "").strip()
            if not text:
                continue
            if name != "max_cost_usd" and not text.isdecimal():
                raise ValueError(f"{variable} = {text!r}: write a whole number, 0 or more")
            values[name] = text if name == "max_cost_usd" else int(text)
        return cls(**values) if values else None  # type: ignore[arg-type]


def _usd(value: object) -> Decimal:
    try:
        usd = Decimal(str(value))
    except InvalidOperation:
        usd = Decimal(-1)
    if not usd.is_finite() or usd < 0:
        raise ValueError(f"max_cost_usd = {value!r}: write an amount of dollars, 0 or more")
    return usd
