"""Every kind of kept object: one line a kind."""

from __future__ import annotations

from typing import Any, Final

from neurorail.rules import once
from neurorail.rules.directives import DIRECTIVES, KILLS
from neurorail.rules.governor.accounts import ENTITY_ACCOUNTS
from neurorail.rules.governor.by_hand import CHANGED
from neurorail.rules.governor.decided import DECIDED
from neurorail.rules.governor.idempotency import ANSWERS
from neurorail.rules.governor.pools import POOLS
from neurorail.rules.governor.reservations import OPEN, REMEMBERED
from neurorail.rules.governor.shadow_pools import GRANTS, SHADOW_POOLS
from neurorail.rules.kept import Kind
from neurorail.rules.manifest.records import COMPARED, MANIFESTS
from neurorail.rules.reflex.circuit import CIRCUITS
from neurorail.rules.reflex.confirmations import CONFIRMATIONS
from neurorail.rules.reflex.watch import WATCHES

KINDS: Final[tuple[Kind[Any], ...]] = (
    once.WRITES,
    DIRECTIVES,
    KILLS,
    CIRCUITS,
    WATCHES,
    CONFIRMATIONS,
    OPEN,
    REMEMBERED,
    ENTITY_ACCOUNTS,
    CHANGED,
    POOLS,
    ANSWERS,
    DECIDED,
    MANIFESTS,
    COMPARED,
    SHADOW_POOLS,
    GRANTS,
)
