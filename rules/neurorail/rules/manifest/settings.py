"""Sections of a manifest that are no rules: estimates, times, policies and the gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from neurorail.rules.manifest.kinds import Choice, Duration, MapOf, Section, Usd, Whole, spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a call is reserved that states no estimate of its own; None is all that is left."""

    tokens: int | None = field(default=None, metadata=spec(Whole(), "Tokens."))
    cost_usd_pico: int | None = field(
        default=None, metadata=spec(Usd(), "Cost in US dollars.", "cost_usd")
    )
    tool_calls: int | None = field(default=None, metadata=spec(Whole(), "Calls of tools."))
    duration_ms: int | None = field(default=None, metadata=spec(Duration(), "Time.", "duration"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """Estimates by job type."""

    by_job_type: Mapping[str, Estimate] = field(
        default_factory=lambda: MappingProxyType({}),
        metadata=spec(MapOf(Section(Estimate)), "For jobs of a type."),
    )
    default: Estimate = field(
        default=Estimate(), metadata=spec(Section(Estimate), "For all other jobs.")
    )

    def for_job_type(self, job_type: str | None) -> Estimate:
        """The estimate for jobs of a type; what it leaves out is the default's."""
        return self.by_job_type.get(job_type or "", self.default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long the engine waits for what telemetry has not told yet."""

    lateness_ms: int = field(
        default=10_000,
        metadata=spec(Duration(), "For a predecessor or a parent that arrives late.", "lateness"),
    )
    orphan_grace_ms: int = field(
        default=60_000,
        metadata=spec(Duration(), "For a missing parent, until it is an orphan.", "orphan_grace"),
    )
    heartbeat_missed_ms: int = field(
        default=60_000,
        metadata=spec(
            Duration(), "For a heartbeat of what sent heartbeats before.", "heartbeat_missed"
        ),
    )
    idle_ms: int = field(
        default=3_600_000,
        metadata=spec(Duration(), "For anything at all about an open entity.", "idle"),
    )
    clock_skew_ms: int = field(
        default=5_000,
        metadata=spec(
            Duration(least_ms=0), "Tolerance between clocks of different senders.", "clock_skew"
        ),
    )
    resume_grace_ms: int = field(
        default=30_000,
        metadata=spec(
            Duration(least_ms=0), "Added to open deadlines after a downtime.", "resume_grace"
        ),
    )
    lease_ms: int = field(
        default=60_000,
        metadata=spec(Duration(), "For a heartbeat or the end of what was reserved for.", "lease"),
    )
    settle_ms: int = field(
        default=330_000,
        metadata=spec(Duration(), "For the usage of a call that is over.", "settle"),
    )
    billing_memory_days: int = field(
        default=7, metadata=spec(Whole(1, 400), "Days after which usage is too old to be billed.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """What is done in cases that are not plain."""

    unpriced: str = field(
        default="allow",
        metadata=spec(
            Choice(("allow", "refuse")), "Models without a price under a cost limit."
        ),
    )  # fmt: skip
    orphans: str = field(
        default="flag", metadata=spec(Choice(("flag", "cancel")), "Entities without a parent.")
    )
    unasked: str = field(
        default="flag",
        metadata=spec(Choice(("flag", "violation")), "Calls on the rail that never asked."),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What another manifest has to show as a shadow before this one lets it become active."""

    min_evaluations: int = field(
        default=100, metadata=spec(Whole(), "Decisions it was compared in.")
    )
    min_shadow_ms: int = field(
        default=86_400_000,
        metadata=spec(Duration(least_ms=0), "Time it was a shadow.", "min_shadow_time"),
    )
    mode_divergence_percent: int = field(
        default=5, metadata=spec(Whole(0, 100), "Decisions with another mode, at most.")
    )
    budget_divergence_percent: int = field(
        default=10, metadata=spec(Whole(0, 100), "Decisions with other limits, at most.")
    )
    newly_refused_percent: int = field(
        default=10,
        metadata=spec(Whole(0, 100), "Decisions it refuses and the active one allows, at most."),
    )
