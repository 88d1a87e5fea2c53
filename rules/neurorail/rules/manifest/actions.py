"""Actions: what a reflex does when it is triggered. The kill switch is a person's alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeAlias

from neurorail.rules.manifest.kinds import ID, Choice, Duration, Flag, Text, Whole, spec

LEVELS: Final = ("mission", "plan", "job", "attempt", "resource")


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """How a circuit breaker opens, tries again and closes."""

    cooldown_ms: int = field(
        default=60_000, metadata=spec(Duration(), "How long it stays open at first.", "cooldown")
    )
    backoff_percent: int = field(
        default=200,
        metadata=spec(Whole(100, 10_000), "Each further cooldown is so much of the one before."),
    )
    cooldown_max_ms: int = field(
        default=3_600_000, metadata=spec(Duration(), "No cooldown is longer.", "cooldown_max")
    )
    probes: int = field(
        default=1, metadata=spec(Whole(1, 1_000), "Calls in flight at once while it is half open.")
    )
    successes: int = field(
        default=2, metadata=spec(Whole(1, 1_000), "Successful probes that close it.")
    )
    probe_timeout_ms: int = field(
        default=60_000,
        metadata=spec(
            Duration(), "A probe not heard of for so long is lost: its place is free.",
            "probe_timeout",
        ),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspend:
    """Opens the reflex's breaker for the key: nothing that has the key may begin (NR-E006)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """Lets only so many calls with the key begin (NR-E010): a token bucket."""

    calls: int = field(metadata=spec(Whole(1), "Calls in `every`."))
    every_ms: int = field(
        default=60_000, metadata=spec(Duration(), "Time in which the bucket fills.", "every")
    )
    burst: int | None = field(
        default=None,
        metadata=spec(Whole(1), "Calls at once after a pause; without, as many as `calls`."),
    )
    hold_ms: int = field(
        default=300_000, metadata=spec(Duration(), "How long it is throttled.", "for")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Tells the agent to stop an entity."""

    level: str = field(
        default="attempt",
        metadata=spec(Choice(LEVELS), "Which level of the chain that triggered."),
    )
    subtree: bool = field(default=True, metadata=spec(Flag(), "Whether all below it stops too."))
    hold_ms: int = field(
        default=3_600_000, metadata=spec(Duration(), "How long nothing new may begin there.", "for")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm:
    """Nothing with the key may begin until a person approves (NR-E009)."""

    within_ms: int = field(
        default=900_000, metadata=spec(Duration(), "Time to answer in.", "within")
    )
    unanswered: str = field(
        default="deny",
        metadata=spec(Choice(("deny", "approve")), "What no answer in time means."),
    )
    question: str = field(default="", metadata=spec(Text(), "What the person is asked."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Sends a message; where to, the server's configuration says."""

    webhook: str | None = field(
        default=None,
        metadata=spec(Text(ID), "Name of a webhook in the server's configuration; without, all."),
    )
    severity: str = field(
        default="warning",
        metadata=spec(Choice(("info", "warning", "error", "critical")), "How bad it is."),
    )
    message: str = field(default="", metadata=spec(Text(), "What it says beside the reason."))


Action: TypeAlias = Suspend | Throttle | Cancel | Confirm | Alert

ACTIONS: Final = MappingProxyType(
    {
        "suspend": Suspend,
        "throttle": Throttle,
        "cancel": Cancel,
        "confirm": Confirm,
        "alert": Alert,
    }
)
"""Every action by the name it has in a manifest."""
