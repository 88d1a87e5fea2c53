"""Manifests as the engine keeps them: their states, their order, and what shadows have shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from neurorail.rules.kept import Kind, Row
from neurorail.rules.manifest.model import Manifest

if TYPE_CHECKING:
    from neurorail.rules.state import State

DRAFT: Final = "draft"
SHADOW: Final = "shadow"
ACTIVE: Final = "active"
RETIRED: Final = "retired"
STATES: Final = (DRAFT, SHADOW, ACTIVE, RETIRED)

MANIFESTS_MAX: Final = 100
"""Manifests a tenant may have; for a further one the oldest retired one goes."""


@dataclass
class Entry:
    """One manifest of a tenant. Times are of records."""

    version: str
    name: str
    canonical: bytes
    source: str
    """The text it was written as, comments included; empty if it came as JSON."""
    sha256: str
    """Of `canonical`."""
    previous_sha256: str
    """`chain_sha256` of the tenant's manifest that was made before it; empty for the first."""
    chain_sha256: str
    """SHA-256 of `previous_sha256` and `sha256`: it stands for the whole line of manifests."""
    state: str
    created_unix_nano: int
    since_unix_nano: int
    """When it came into its state."""

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest, compiled when it is first asked for."""
        return Manifest.from_json(self.canonical)


_FIELDS: Final = tuple(Entry.__dataclass_fields__)


def _to_row(entry: Entry) -> Row:
    return [getattr(entry, name) for name in _FIELDS]


def _from_row(row: Row) -> Entry:
    return Entry(*row)


MANIFESTS: Final = Kind("manifest", MANIFESTS_MAX, _to_row, _from_row)
"""By version, in the order in which they were made."""


@dataclass(slots=True)
class Compared:
    """What a shadow has shown beside the active manifest. Each difference is counted for itself."""

    evaluations: int = 0
    mode_diverged: int = 0
    budget_diverged: int = 0
    newly_refused: int = 0
    newly_allowed: int = 0

    def percent(self, count: int) -> int:
        """A count as a share of the evaluations, rounded up."""
        return -(-count * 100 // self.evaluations) if self.evaluations else 0

    def data(self) -> dict[str, Any]:
        """The numbers as events say them."""
        return {
            "evaluations": self.evaluations,
            "mode_diverged": self.mode_diverged,
            "budget_diverged": self.budget_diverged,
            "newly_refused": self.newly_refused,
            "newly_allowed": self.newly_allowed,
        }


COMPARED: Final = Kind(
    "compared",
    MANIFESTS_MAX,
    lambda one: [
        one.evaluations,
        one.mode_diverged,
        one.budget_diverged,
        one.newly_refused,
        one.newly_allowed,
    ],
    lambda row: Compared(*row),
)
"""By version of the shadow."""


def entries(state: State) -> Iterator[Entry]:
    """The manifests of the record's tenant, in the order in which they were made."""
    for _, entry in state.kept.of(MANIFESTS, state.tenant):
        yield entry


def active_entry(state: State, tenant: str) -> Entry | None:
    """A tenant's active one; None where the shipped manifest holds."""
    every = (entry for _, entry in state.kept.of(MANIFESTS, tenant))
    return next((entry for entry in every if entry.state == ACTIVE), None)


def shadow_entries(state: State) -> tuple[Entry, ...]:
    """Those that are evaluated beside it."""
    return tuple(entry for entry in entries(state) if entry.state == SHADOW)
