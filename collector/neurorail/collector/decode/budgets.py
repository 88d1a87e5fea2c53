"""Budgets in commands: with what is created, and set by a person while it runs."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import msgspec

from neurorail.collector.decode.five_ids import FiveIds
from neurorail.collector.decode.once import OnceInput, once_of
from neurorail.collector.decode.values import INT64_MAX, decimal_usd_pico
from neurorail.rules.observations import Budget, BudgetChanged


class BudgetInput(msgspec.Struct, omit_defaults=True):
    """`budget{}` of a request. Money is decimal text (or a number, read as its text)."""

    timeout_ms: int | None = None
    max_tokens: int | None = None
    max_cost_usd: Decimal | None = None
    max_retries: int | None = None
    max_parallel: int | None = None
    max_tool_calls: int | None = None
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    max_model_calls: int | None = None


class BudgetCommand(msgspec.Struct, tag="budget", omit_defaults=True):
    """`POST …/budgets/{entity_type}/{entity_id}`."""

    level: int
    ids: FiveIds
    """The whole chain of the entity, so that all of it is at hand."""
    limits: BudgetInput
    reason: str = ""
    once: OnceInput | None = None


def budget_changed(command: BudgetCommand, stats: Counter[str]) -> BudgetChanged:
    """What the engine is told of a changed budget."""
    limits = budget_of(command.limits, stats) or Budget()
    return BudgetChanged(command.level, command.ids, limits, command.reason, once_of(command.once))


def budget_of(given: BudgetInput | None, stats: Counter[str]) -> Budget | None:
    """The limits that are stated; one that cannot be is left out and counted."""
    if given is None:
        return None
    budget = Budget(
        timeout_ms=count(given.timeout_ms, stats, "bad_budget"),
        max_tokens=count(given.max_tokens, stats, "bad_budget"),
        max_cost_usd_pico=cost(given.max_cost_usd, stats, "bad_budget"),
        max_retries=count(given.max_retries, stats, "bad_budget"),
        max_parallel=count(given.max_parallel, stats, "bad_budget"),
        max_tool_calls=count(given.max_tool_calls, stats, "bad_budget"),
        max_input_tokens=count(given.max_input_tokens, stats, "bad_budget"),
        max_output_tokens=count(given.max_output_tokens, stats, "bad_budget"),
        max_model_calls=count(given.max_model_calls, stats, "bad_budget"),
    )
    return None if budget == Budget() else budget


def count(value: int | None, stats: Counter[str], reason: str) -> int | None:
    """A whole number that the engine can hold; what is none is left out and counted."""
    if value is not None and not 0 <= value <= INT64_MAX:
        stats[reason] += 1
        return None
    return value


def cost(value: Decimal | None, stats: Counter[str], reason: str) -> int | None:
    """US dollars in pico-USD; what cannot be is left out and counted."""
    if value is None:
        return None
    found = decimal_usd_pico(value)
    if found is None:
        stats[reason] += 1
    return found
