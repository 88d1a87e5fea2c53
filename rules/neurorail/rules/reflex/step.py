"""What triggers look at, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

CALL: Final = "call"
"""A model or tool call, or an attempt, ended."""
STARTED: Final = "started"
"""An entity began below the one that is watched."""
VIOLATION: Final = "violation"
"""A budget was broken or a transition rejected."""
SIGN_OF_LIFE: Final = "sign_of_life"
"""A heartbeat, or anything else that shows that work goes on."""
ENDED: Final = "ended"
"""What is watched ended: there is nothing left to wait for."""


@dataclass(slots=True)
class Step:
    """One thing that happened, as far as triggers can tell it from another.

    `failed` is None where there is no outcome to count: what was refused or cancelled says nothing
    about the health of what was called.
    """

    kind: str
    failed: bool | None = None
    duration_ms: int | None = None
    first_signal_ms: int | None = None
    name: str = ""
    """What was called: the tool, else the agent, else the model."""
    fingerprint: str = ""
    """A tool and the keyed hash of its arguments; empty where arguments are not known."""
    consumed: int = 0
    """Of the budget that is watched, in its unit."""
    used: int = 0
    """Of that budget, this included."""
    limit: int = 0
    """That budget."""
    renews_unix_nano: int = 0
    """When that budget's window ends; 0 if it never renews."""
    matched: bool = False
    """Whether the rule's condition matched."""


@dataclass(slots=True)
class Fired:
    """A trigger was activated: why, in one line, and the numbers that show it."""

    reason: str
    evidence: dict[str, Any] = field(default_factory=dict)


class Trigger(Protocol):
    """One trigger of one reflex and key. After it fired it forgets what led to it."""

    def observe(self, now: int, step: Step) -> Fired | None:
        """Take in a step at record time `now`."""
        ...

    def clear(self) -> None:
        """Forget what was seen."""
        ...

    def to_row(self) -> list[Any]:
        """What was seen, as plain values."""
        ...

    def restore(self, row: list[Any]) -> None:
        """Put back what `to_row` wrote."""
        ...
