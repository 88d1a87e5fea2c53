"""The lifecycle: one table for missions, plans, jobs, attempts and resources.

| from | transition | to |
|---|---|---|
| (none) | create | pending |
| pending | enqueue | queued |
| pending | cancel | cancelled |
| queued | start | running |
| queued | cancel | cancelled |
| running | succeed | succeeded |
| running | fail | failed |
| running | timeout | timeout |
| running | cancel | cancelled |
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

NONE: Final = ""
PENDING: Final = "pending"
QUEUED: Final = "queued"
RUNNING: Final = "running"
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
TIMEOUT: Final = "timeout"
CANCELLED: Final = "cancelled"

STATES: Final = (PENDING, QUEUED, RUNNING, SUCCEEDED, FAILED, TIMEOUT, CANCELLED)
TERMINAL: Final = frozenset({SUCCEEDED, FAILED, TIMEOUT, CANCELLED})
SETTLED: Final = TERMINAL | {RUNNING}
"""States in which it is no news that something below an entity runs."""

TRANSITIONS: Final = MappingProxyType(
    {
        (NONE, "create"): PENDING,
        (PENDING, "enqueue"): QUEUED,
        (PENDING, "cancel"): CANCELLED,
        (QUEUED, "start"): RUNNING,
        (QUEUED, "cancel"): CANCELLED,
        (RUNNING, "succeed"): SUCCEEDED,
        (RUNNING, "fail"): FAILED,
        (RUNNING, "timeout"): TIMEOUT,
        (RUNNING, "cancel"): CANCELLED,
    }
)
"""The whole lifecycle, keyed by (state, transition). A pair that is not here is illegal."""

TRANSITION_NAMES: Final = tuple(dict.fromkeys(name for _, name in TRANSITIONS))

OUTCOME_TRANSITION: Final = MappingProxyType(
    {SUCCEEDED: "succeed", FAILED: "fail", TIMEOUT: "timeout", CANCELLED: "cancel"}
)
"""The transition that an outcome of a finished span proves."""


def outcome_of(stated: str | None, error: bool) -> str:
    """How a span ended: as it states, else by its status."""
    if stated is not None and stated in OUTCOME_TRANSITION:
        return stated
    return FAILED if error else SUCCEEDED


_FORWARD: Final = (("create", PENDING), ("enqueue", QUEUED), ("start", RUNNING))


def allowed_transitions(state: str) -> tuple[str, ...]:
    """The transitions the table lists for `state`, in the table's order."""
    return tuple(name for from_state, name in TRANSITIONS if from_state == state)


def _paths() -> dict[tuple[str, str], tuple[str, ...]]:
    """For every (state, transition) that the table reaches: the steps missing before it."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    line = (NONE, PENDING, QUEUED, RUNNING)
    for start, state in enumerate(line):
        for distance in range(len(line) - start):
            reached = line[start + distance]
            steps = tuple(name for name, _ in _FORWARD[start : start + distance])
            for from_state, transition in TRANSITIONS:
                if from_state == reached:
                    found.setdefault((state, transition), steps)
    return found


MISSING_STEPS: Final = MappingProxyType(_paths())
"""Steps to infer before a transition from a state: `(pending, succeed)` → `(enqueue, start)`.

The shortest way is taken: `(none, cancel)` is inferred through `create` alone.
"""
