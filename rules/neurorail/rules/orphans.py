"""What a manifest's policy on orphans says."""

from __future__ import annotations

from typing import Final

from neurorail.rules import directives
from neurorail.rules.config import MS
from neurorail.rules.directives import CANCEL, Directive
from neurorail.rules.entity import IMPORTED, Entity
from neurorail.rules.state import State

ORPHAN_CODE: Final = "NR-E007"
ORPHAN_HOLDS_MS: Final = 3_600_000
"""How long nothing new may begin below an orphan that is cancelled."""


def found(state: State, orphan: Entity, at: int) -> None:
    """An entity is an orphan: stop it, if the manifest says so."""
    if state.manifest.policies.orphans != "cancel" or orphan.flags & IMPORTED:
        return
    directives.issue(
        state,
        Directive(
            f"orphan:{orphan.id}",
            CANCEL,
            directives.entity_scope(orphan.type, orphan.id),
            ORPHAN_CODE,
            "has no parent",
            "",
            state.now,
            state.now + ORPHAN_HOLDS_MS * MS,
        ),
        orphan.ids,
        at,
    )


def lifted(state: State, entity: Entity) -> None:
    """The parent arrived after all: what was stopped for want of it may go on."""
    directives.lift(state, f"orphan:{entity.id}", "its parent arrived")
