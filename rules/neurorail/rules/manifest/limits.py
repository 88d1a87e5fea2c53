"""Limits: the amounts a budget or pool may not pass, and how seriously they are meant."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from neurorail.rules.manifest.kinds import Duration, Usd, Whole, spec

OBSERVE: Final = "observe"
WARN: Final = "warn"
ENFORCE: Final = "enforce"
SEVERITIES: Final = (OBSERVE, WARN, ENFORCE)
"""From mild to strict: `observe` records, `warn` says so too, `enforce` refuses and acts."""

KINDS: Final = (
    "tokens",
    "input_tokens",
    "output_tokens",
    "cost",
    "tool_calls",
    "model_calls",
    "wall_time",
    "retries",
    "parallel",
)
"""What can be limited, in the order in which limits are checked and listed."""

FIELD_OF_KIND: Final = {
    "tokens": "max_tokens",
    "input_tokens": "max_input_tokens",
    "output_tokens": "max_output_tokens",
    "cost": "max_cost_usd_pico",
    "tool_calls": "max_tool_calls",
    "model_calls": "max_model_calls",
    "wall_time": "wall_time_ms",
    "retries": "max_retries",
    "parallel": "max_parallel",
}
"""The field of `Limits` for each kind."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Amounts not to be passed: None is unlimited, zero is zero. Exactly at the limit is within."""

    max_tokens: int | None = field(
        default=None, metadata=spec(Whole(), "Input and output tokens together.")
    )
    max_input_tokens: int | None = field(
        default=None, metadata=spec(Whole(), "Input tokens, cached ones included.")
    )
    max_output_tokens: int | None = field(
        default=None, metadata=spec(Whole(), "Output tokens, reasoning included.")
    )
    max_cost_usd_pico: int | None = field(
        default=None, metadata=spec(Usd(), "Cost in US dollars.", "max_cost_usd")
    )
    max_tool_calls: int | None = field(default=None, metadata=spec(Whole(), "Calls of tools."))
    max_model_calls: int | None = field(
        default=None, metadata=spec(Whole(), "Calls of models, embeddings included.")
    )
    wall_time_ms: int | None = field(
        default=None,
        metadata=spec(
            Duration(least_ms=0),
            "Time: for an entity from its start to its end (its timeout), for a pool the sum of "
            "its attempts' durations.",
            "max_wall_time",
        ),
    )
    max_retries: int | None = field(
        default=None, metadata=spec(Whole(), "Attempts after the first of each job.")
    )
    max_parallel: int | None = field(
        default=None, metadata=spec(Whole(), "Attempts that run at once.")
    )

    def get(self, kind: str) -> int | None:
        """The limit of a kind, None where there is none."""
        amount: int | None = getattr(self, FIELD_OF_KIND[kind])
        return amount

    def stated(self) -> tuple[tuple[str, int], ...]:
        """The (kind, amount) pairs that are limited, in the order of `KINDS`."""
        return self._stated

    @cached_property
    def _stated(self) -> tuple[tuple[str, int], ...]:
        amounts = ((kind, self.get(kind)) for kind in KINDS)
        return tuple((kind, amount) for kind, amount in amounts if amount is not None)


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit in force, and which rule says so."""

    kind: str
    amount: int
    """Tokens, pico-USD, calls, milliseconds, attempts."""
    severity: str
    warn_percent: tuple[int, ...]
    """Shares of the limit at which a warning is given, ascending."""
    rule_id: str
    near: int = field(init=False, compare=False, repr=False)
    """From here on there is something to say: the first warning, or that it is passed."""

    def __post_init__(self) -> None:
        amount = self.amount
        warned_at = [-(-amount * share // 100) for share in self.warn_percent]
        object.__setattr__(self, "near", min([*warned_at, amount + 1]))
