"""What a manifest holds, in the engine's units: milliseconds, pico-USD, tokens, percent.

All matching rules count and the strictest wins; nothing depends on which rule stands first, except
where a list says so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, Final

from neurorail.rules.manifest.actions import ACTIONS, Action, Breaker
from neurorail.rules.manifest.condition import ALWAYS, Condition
from neurorail.rules.manifest.entity_limits import EntityLimits
from neurorail.rules.manifest.facts import Facts, FactValue
from neurorail.rules.manifest.kinds import (
    ID,
    Choice,
    Duration,
    FactName,
    ListOf,
    MapOf,
    Prices,
    Section,
    Text,
    Variant,
    When,
    Whole,
    spec,
)
from neurorail.rules.manifest.limits import ENFORCE, OBSERVE, SEVERITIES, Limit, Limits
from neurorail.rules.manifest.selection import ByValues, Chosen, Selection
from neurorail.rules.manifest.settings import Estimates, Gate, Policies, Times
from neurorail.rules.manifest.triggers import TRIGGERS, ConditionMet, Trigger
from neurorail.rules.manifest.windows import UTC_ZONE, Window, Zone
from neurorail.rules.pricing import FORMAT as PRICE_FORMAT
from neurorail.rules.pricing import PriceTable

FORMAT: Final = 1

DIRECT: Final = "direct"
RAIL: Final = "rail"
MODES: Final = (DIRECT, RAIL)
"""From mild to strict."""

ALLOW: Final = "allow"
WARN: Final = "warn"
CONFIRM: Final = "confirm"
REFUSE: Final = "refuse"
EFFECTS: Final = (ALLOW, WARN, CONFIRM, REFUSE)
"""What a mode rule says of a request, from mild to strict."""

RETRY: Final = "retry"
ROLLBACK_REQUIRED: Final = "rollback_required"
MANUAL_CONFIRM: Final = "manual_confirm"
RECOVERIES: Final = (RETRY, ROLLBACK_REQUIRED, MANUAL_CONFIRM)
"""From mild to strict."""

BUDGET_LEVELS: Final = ("mission", "plan", "job", "attempt")
OVER: Final = ("calls", "attempts", "jobs", "missions")

_NO_KEY: Final = "[]"
_as_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What every rule has."""

    id: str = field(metadata=spec(Text(ID), "Its name in events, reasons and reports."))
    description: str = field(default="", metadata=spec(Text(), "For people."))
    when: Condition = field(
        default=ALWAYS, metadata=spec(When(), "To what it applies; without, to everything.")
    )
    severity: str = field(
        default=ENFORCE,
        metadata=spec(Choice(SEVERITIES), "observe records, warn says so too, enforce acts."),
    )
    on_error: str | None = field(
        default=None,
        metadata=spec(
            Choice(("match", "no_match")),
            "What holds where the condition cannot be decided; without, a rule that enforces "
            "matches and another one does not.",
        ),
    )

    def __post_init__(self) -> None:
        enforces = self.severity == ENFORCE
        matches = enforces if self.on_error is None else self.on_error == "match"
        object.__setattr__(self, "when", self.when.on_error(matches))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeRule(Rule):
    """Says how a call runs: directly or on the rail, and whether it may at all."""

    mode: str | None = field(
        default=None, metadata=spec(Choice(MODES), "direct or rail; without, no word on it.")
    )
    effect: str = field(
        default=ALLOW,
        metadata=spec(
            Choice(EFFECTS), "allow, warn, confirm (a person has to agree) or refuse."
        ),
    )  # fmt: skip
    code: str | None = field(
        default=None,
        metadata=spec(Text(r"NR-E2\d\d"), "The manifest's own code of a refusal, NR-E2xx."),
    )
    recovery: str | None = field(
        default=None,
        metadata=spec(Choice(RECOVERIES), "What is to be done after a failure."),
    )
    reason: str = field(default="", metadata=spec(Text(), "What the caller is told."))
    confirm_within_ms: int = field(
        default=900_000,
        metadata=spec(Duration(), "Time a person has to answer in.", "confirm_within"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRule(Rule):
    """Limits of every entity of one level."""

    level: str = field(metadata=spec(Choice(BUDGET_LEVELS), "Whose budget it is."))
    limits: Limits = field(metadata=spec(Section(Limits), "The limits."))
    warn_percent: tuple[int, ...] = field(
        default=(80,),
        metadata=spec(
            ListOf(Whole(1, 100), most=8, ascending=True),
            "Shares of a limit at which a warning is given.",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """Entity budgets. What an override states replaces the default for what it matches."""

    defaults: tuple[BudgetRule, ...] = field(
        default=(), metadata=spec(ListOf(Section(BudgetRule), unique="id"), "Hold everywhere.")
    )
    overrides: tuple[BudgetRule, ...] = field(
        default=(),
        metadata=spec(
            ListOf(Section(BudgetRule), unique="id"),
            "Replace a default limit; of several that match, the strictest holds.",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRule(Rule):
    """Limits of everything together that shares a key, over a window of time."""

    key: tuple[str, ...] = field(
        default=(),
        metadata=spec(
            ListOf(FactName(), most=4),
            "Facts that make a pool of their own for each value; without, one pool for all.",
        ),
    )
    window: Window = field(metadata=spec(Section(Window), "Over which time it counts."))
    limits: Limits = field(metadata=spec(Section(Limits), "The limits."))
    warn_percent: tuple[int, ...] = field(
        default=(80,),
        metadata=spec(
            ListOf(Whole(1, 100), most=8, ascending=True),
            "Shares of a limit at which a warning is given.",
        ),
    )

    def key_of(self, facts: Facts) -> str:
        """Which of its pools the facts belong to. An absent fact is a value like any other."""
        return key_text(self.key, facts)


class KeyedPool:
    """A pool that some facts belong to: a rule, and the key that they have."""

    __slots__ = ("key", "rule", "window")

    def __init__(self, rule: PoolRule, facts: Facts) -> None:
        self.rule = rule
        self.key = rule.key_of(facts)
        self.window: Any = None
        """Of the governor: the window that was asked for last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflexRule(Rule):
    """Reacts when something goes wrong."""

    trigger: Trigger = field(metadata=spec(Variant(TRIGGERS), "What it waits for."))
    over: str = field(
        default="calls",
        metadata=spec(Choice(OVER), "Whose ends are observed: calls, attempts, jobs or missions."),
    )
    per: tuple[str, ...] = field(
        default=(),
        metadata=spec(
            ListOf(FactName(), most=4),
            "Facts that are watched each for itself, each with its own breaker.",
        ),
    )
    actions: tuple[Action, ...] = field(
        default=(), metadata=spec(ListOf(Variant(ACTIONS), most=8), "What is done.")
    )
    breaker: Breaker = field(
        default=Breaker(), metadata=spec(Section(Breaker), "For the action `suspend`.")
    )
    quiet_ms: int = field(
        default=60_000,
        metadata=spec(Duration(least_ms=0), "Time after it triggered in which it does not again.",
                      "quiet"),
    )  # fmt: skip

    def __post_init__(self) -> None:
        Rule.__post_init__(self)
        if isinstance(self.trigger, ConditionMet):
            holds = self.trigger.holds.on_error(self.when.on_error_matches)
            object.__setattr__(self, "trigger", replace(self.trigger, holds=holds))

    def key_of(self, facts: Facts) -> str:
        """What is watched on its own. An absent fact is a value like any other."""
        return key_text(self.per, facts)


def key_text(names: tuple[str, ...], facts: Facts) -> str:
    """The values of some facts as one unambiguous text: a JSON array, null where absent."""
    if not names:
        return _NO_KEY
    return _values_text(*[facts.get(name) for name in names])


@lru_cache(8_192, typed=True)
def _values_text(*values: FactValue | None) -> str:
    """Keys repeat from call to call. `typed`: true and 1 are equal, and not the same text."""
    return _as_json(list(values))


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything the engine may be told. Immutable; equal manifests have equal hashes."""

    format: int = field(
        metadata=spec(Whole(FORMAT, FORMAT), "Version of this format: 1.", "neurorail_manifest")
    )
    name: str = field(metadata=spec(Text(ID), "What it is called."))
    version: str = field(
        metadata=spec(
            Text(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}"), "Its version: no two manifests share one."
        )
    )
    description: str = field(default="", metadata=spec(Text(most=4_000), "For people."))
    default_mode: str = field(
        metadata=spec(Choice(MODES), "The mode of what no rule says otherwise; must be stated.")
    )
    default_recovery: str = field(
        default=RETRY,
        metadata=spec(Choice(RECOVERIES), "The recovery of what no rule says otherwise."),
    )
    mode_rules: tuple[ModeRule, ...] = field(
        default=(),
        metadata=spec(ListOf(Section(ModeRule), unique="id"), "How calls run, and whether."),
    )
    budgets: Budgets = field(
        default=Budgets(), metadata=spec(Section(Budgets), "Budgets of entities.")
    )
    pools: tuple[PoolRule, ...] = field(
        default=(),
        metadata=spec(ListOf(Section(PoolRule), unique="id"), "Budgets of what shares a key."),
    )
    reflexes: tuple[ReflexRule, ...] = field(
        default=(),
        metadata=spec(ListOf(Section(ReflexRule), unique="id"), "Reactions to what goes wrong."),
    )
    estimates: Estimates = field(
        default=Estimates(), metadata=spec(Section(Estimates), "What is reserved without a word.")
    )
    times: Times = field(default=Times(), metadata=spec(Section(Times), "Lateness and leases."))
    policies: Policies = field(
        default=Policies(), metadata=spec(Section(Policies), "Cases that are not plain.")
    )
    gate: Gate = field(
        default=Gate(), metadata=spec(Section(Gate), "What a successor has to show.")
    )
    prices: tuple[Mapping[str, Any], ...] = field(
        default=(), metadata=spec(Prices(), "Own prices, asked before the built-in table.")
    )
    attributes: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({}),
        metadata=spec(
            MapOf(ListOf(Text(r"\S{1,256}"), least=1, most=16)),
            "Attributes that carry a meaning, asked before the built-in names.",
        ),
    )
    zones: Mapping[str, Zone] = field(
        default_factory=lambda: MappingProxyType({}),
        metadata=spec(
            MapOf(Section(Zone)), "Rules of the time zones that pools name.", hidden=True
        ),
    )

    @cached_property
    def json(self) -> bytes:
        """Its canonical form: every field, keys sorted, no spaces, UTF-8."""
        from neurorail.rules.manifest.codec import to_json

        return to_json(self)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of its canonical form, in hex."""
        return hashlib.sha256(self.json).hexdigest()

    @staticmethod
    def from_json(canonical: bytes) -> Manifest:
        """The manifest with this canonical form.

        Raises:
            ValueError: it is none.
        """
        from neurorail.rules.manifest.codec import from_json

        return from_json(canonical)

    def zone(self, window: Window) -> Zone:
        """The rules of a window's time zone."""
        return self.zones.get(window.zone, UTC_ZONE)

    @cached_property
    def own_prices(self) -> PriceTable | None:
        """The manifest's own prices; None if it has none."""
        if not self.prices:
            return None
        return PriceTable(
            {
                "format": PRICE_FORMAT,
                "version": f"manifest {self.version}",
                "providers": [],
                "overrides": [dict(one) for one in self.prices],
            }
        )

    def pool(self, rule_id: str) -> PoolRule | None:
        """The pool rule with this id."""
        return self._pools.get(rule_id)

    @cached_property
    def _pools(self) -> dict[str, PoolRule]:
        return {rule.id: rule for rule in self.pools}

    @cached_property
    def modes_of(self) -> Selection[ModeRule]:
        """The mode rules by what they concern."""
        return Selection(self.mode_rules)

    @cached_property
    def may_be_rail(self) -> bool:
        """Whether any call at all may have to run on the rail."""
        return self.default_mode == RAIL or any(rule.mode == RAIL for rule in self.mode_rules)

    @cached_property
    def mode_of(self) -> Callable[[Facts], str]:
        """The strictest mode that rules say of some facts, else the default."""
        names = self.modes_of.names
        return self._mode if names is None else ByValues(names, self._mode).of

    def _mode(self, facts: Facts) -> str:
        if self._settled_mode.of(facts) == MODES[-1]:
            return MODES[-1]  # Nothing that is left to ask could say more.
        return self._mode_said_by(self.modes_of.matching(facts))

    @cached_property
    def _settled_mode(self) -> ByValues[str]:
        rules = self.modes_of
        return ByValues(rules.settled_names, lambda facts: self._mode_said_by(rules.settled(facts)))

    def _mode_said_by(self, rules: Sequence[ModeRule]) -> str:
        return self.strictest_mode([rule for rule in rules if rule.severity != OBSERVE])

    def strictest_mode(self, matching: Sequence[ModeRule]) -> str:
        """The strictest mode that any of some rules says, else the default."""
        said = [rule.mode for rule in matching if rule.mode is not None]
        return max(said, key=MODES.index, default=self.default_mode)

    @cached_property
    def pools_of(self) -> Chosen[PoolRule, KeyedPool]:
        """The pool rules by what they concern, each with the key of the pool that it means."""
        return Chosen(self.pools, KeyedPool, _key_names)

    def pool_limits(self, rule_id: str) -> tuple[Limit, ...]:
        """The limits of every pool of a rule; none if there is no such rule."""
        return self._pool_limits.get(rule_id, ())

    @cached_property
    def _pool_limits(self) -> dict[str, tuple[Limit, ...]]:
        return {
            rule.id: tuple(
                Limit(kind, amount, rule.severity, rule.warn_percent, rule.id)
                for kind, amount in rule.limits.stated()
            )
            for rule in self.pools
        }

    @cached_property
    def pooled_kinds(self) -> frozenset[str]:
        """The kinds of limit that any pool has."""
        return frozenset(kind for rule in self.pools for kind, _ in rule.limits.stated())

    def period(self, rule: PoolRule, at_unix_nano: int) -> tuple[int, int]:
        """Beginning and end of the calendar period of a pool that holds a moment."""
        begins, ends = self._periods.get(rule.id, _NEVER)
        if not begins <= at_unix_nano < ends:
            begins, ends = rule.window.bounds(at_unix_nano, self.zone(rule.window))
            self._periods[rule.id] = (begins, ends)
        return begins, ends

    @cached_property
    def _periods(self) -> dict[str, tuple[int, int]]:
        """The period of each pool that was asked for last: most ask for the same one."""
        return {}

    @cached_property
    def _entity_limits(self) -> dict[str, EntityLimits]:
        levels = {rule.level for rule in (*self.budgets.overrides, *self.budgets.defaults)}
        return {level: EntityLimits(self.budgets, level) for level in sorted(levels)}

    @cached_property
    def budget_levels(self) -> tuple[int, ...]:
        """The levels at which any rule gives entities a budget, from the mission down."""
        return tuple(
            place for place, level in enumerate(BUDGET_LEVELS) if level in self._entity_limits
        )

    def limits_at(self, level: str) -> EntityLimits | None:
        """The limits of the entities of a level; None if no rule gives them a budget."""
        return self._entity_limits.get(level)

    @cached_property
    def timed_levels(self) -> frozenset[str]:
        """Levels at which a rule may limit how long an entity runs."""
        return frozenset(
            rule.level
            for rule in (*self.budgets.overrides, *self.budgets.defaults)
            if rule.severity == ENFORCE and rule.limits.wall_time_ms is not None
        )

    def entity_limits(self, level: str, facts: Facts) -> tuple[Limit, ...]:
        """The limits the manifest sets an entity, in the order of `KINDS`.

        A kind that a matching override states is the strictest of those overrides'; else it is the
        strictest of the matching defaults'. Rules that only observe or warn limit nothing else.
        """
        limits = self._entity_limits.get(level)
        return () if limits is None else limits.of(facts)


_NEVER: Final = (0, 0)


def _key_names(rule: PoolRule) -> tuple[str, ...]:
    return rule.key
