"""What triggers look at, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from neurorail.rules.config import MS
from neurorail.rules.reflex.window import Window

END: Final = "end"
"""A call, an attempt, a job or a mission ended."""
CHILD: Final = "child"
"""An entity began below the one that is watched."""
VIOLATION: Final = "violation"
"""A budget was broken or a transition rejected."""
USE: Final = "use"
"""Something was taken from the budget that is watched."""
SIGN_OF_LIFE: Final = "sign_of_life"
"""Something happened at or below the entity that is watched, or its heartbeat came."""
GONE: Final = "gone"
"""The entity that is watched ended: there is nothing left to wait for."""

Facts = Mapping[str, "str | int | bool"]


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
    """What was called and the keyed hash of its arguments; empty where these are not known."""
    consumed: int = 0
    """Of the budget that is watched, in its unit."""
    used: int = 0
    """Of that budget, this included."""
    limit: int = 0
    """That budget."""
    renews_unix_nano: int = 0
    """By when what is left of it has to last."""
    facts: Facts = field(default_factory=dict)


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


class Windowed:
    """What triggers that remember one window have in common."""

    __slots__ = ("window", "window_ns")

    def __init__(self, window_ms: int) -> None:
        self.window_ns = window_ms * MS
        self.window = Window()

    def clear(self) -> None:
        """Forget what was seen."""
        self.window.clear()

    def to_row(self) -> list[Any]:
        """What was seen, as plain values."""
        return self.window.to_row()

    def restore(self, row: list[Any]) -> None:
        """Put back what `to_row` wrote."""
        self.window = Window.from_row(row)
