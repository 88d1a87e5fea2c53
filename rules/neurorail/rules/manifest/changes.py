"""Changes of manifests: a draft arrives, becomes a shadow, active, retired. Each is a record.

| from    | shadow | activate              | retire |
|---------|--------|-----------------------|--------|
| draft   | yes    | if the gate lets it   | yes    |
| shadow  | –      | if the gate lets it   | yes    |
| active  | –      | –                     | yes    |
| retired | yes    | if the gate lets it   | –      |

The gate is the one of the manifest that is active: no manifest lowers the bar for itself. Going
past it needs a reason, and is said. Where none is active, the shipped one holds, with its gate.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from neurorail.rules import once
from neurorail.rules.amount_text import duration_text
from neurorail.rules.config import MS
from neurorail.rules.events import INFO, WARNING
from neurorail.rules.governor import shadow_pools
from neurorail.rules.manifest.model import Manifest
from neurorail.rules.manifest.records import (
    ACTIVE,
    COMPARED,
    DRAFT,
    MANIFESTS,
    MANIFESTS_MAX,
    RETIRED,
    SHADOW,
    Compared,
    Entry,
    active_entry,
    entries,
)
from neurorail.rules.manifest.settings import Gate
from neurorail.rules.observations import NO_IDS, ManifestDrafted, ManifestMoved
from neurorail.rules.reflex.changed import manifest_changed
from neurorail.rules.state import State

SHADOWED, ACTIVATED, RETIRE = "shadow", "activate", "retire"
ALLOWED: Final = {
    SHADOWED: (DRAFT, RETIRED),
    ACTIVATED: (DRAFT, SHADOW, RETIRED),
    RETIRE: (DRAFT, SHADOW, ACTIVE),
}
"""From which states what may be done."""

INVALID: Final = "NR-E110"
BLOCKED: Final = "NR-E132"


# ── a draft ──────────────────────────────────────────────────────────────────────────────────


def drafted(state: State, seen: ManifestDrafted) -> None:
    """Take in a manifest as a draft."""
    if seen.once is not None and once.is_repeated(state, seen.once, None):
        return
    try:
        manifest = Manifest.from_json(seen.canonical)
    except ValueError as error:
        _refuse(state, "", "create", INVALID, f"the manifest cannot be read: {error}")
        return
    version = manifest.version
    known = state.kept.get(MANIFESTS, state.tenant, version)
    if known is not None:
        same = "the same manifest" if known.sha256 == manifest.sha256 else "another manifest"
        _refuse(state, version, "create", INVALID, f"{same} has version {version} already")
        return
    if not _make_room(state):
        message = f"there are {MANIFESTS_MAX} manifests: retire one that is not needed"
        _refuse(state, version, "create", INVALID, message)
        return
    _keep(state, seen, manifest)


def _make_room(state: State) -> bool:
    if state.kept.number(MANIFESTS, state.tenant) < MANIFESTS_MAX:
        return True
    retired = next((entry for entry in entries(state) if entry.state == RETIRED), None)
    if retired is None:
        return False
    state.kept.remove(MANIFESTS, state.tenant, retired.version)
    return True


def _keep(state: State, seen: ManifestDrafted, manifest: Manifest) -> None:
    before = list(entries(state))
    previous = before[-1].chain_sha256 if before else ""
    chain = hashlib.sha256(f"{previous}{manifest.sha256}".encode()).hexdigest()
    entry = Entry(
        manifest.version,
        manifest.name,
        manifest.json,
        seen.source,
        manifest.sha256,
        previous,
        chain,
        DRAFT,
        state.now,
        state.now,
    )
    state.kept.put(MANIFESTS, state.tenant, entry.version, entry)
    _emit(
        state,
        "manifest_created",
        entry,
        {
            "previous_sha256": previous,
            "chain_sha256": chain,
            "manifest": manifest.json.decode(),
            "source": seen.source,
        },
        f"manifest {entry.version} was made",
    )


# ── moving on ────────────────────────────────────────────────────────────────────────────────


def moved(state: State, seen: ManifestMoved) -> None:
    """Move a manifest on, if that is allowed."""
    if seen.once is not None and once.is_repeated(state, seen.once, None):
        return
    entry = state.kept.get(MANIFESTS, state.tenant, seen.version)
    if entry is None:
        _refuse(state, seen.version, seen.action, INVALID, f"no manifest {seen.version} is known")
        return
    if entry.state not in ALLOWED.get(seen.action, ()):
        message = f"a manifest that is {entry.state} cannot be moved by {seen.action!r}"
        _refuse(state, seen.version, seen.action, INVALID, message)
        return
    before = state.manifest
    if seen.action == SHADOWED:
        _shadow(state, entry, seen)
    elif seen.action == ACTIVATED:
        _activate(state, entry, seen)
    else:
        _move(state, entry, RETIRED)
        _emit(state, "manifest_retired", entry, {"reason": seen.reason}, _says(entry, "retired"))
    manifest_changed(state, before, state.manifest)


def _shadow(state: State, entry: Entry, seen: ManifestMoved) -> None:
    state.kept.put(COMPARED, state.tenant, entry.version, Compared())
    _move(state, entry, SHADOW)
    _emit(state, "manifest_shadowed", entry, {"reason": seen.reason}, _says(entry, "a shadow"))


def _activate(state: State, entry: Entry, seen: ManifestMoved) -> None:
    unmet = unmet_conditions(state, entry)
    if unmet and not seen.forced:
        message = f"manifest {entry.version} was not activated: {'; '.join(unmet)}"
        _refuse(state, entry.version, ACTIVATED, BLOCKED, message, unmet)
        return
    before = active_entry(state, state.tenant)
    compared = compared_of(state, entry)
    if before is not None:
        _move(state, before, RETIRED)
        reason = f"manifest {entry.version} took its place"
        _emit(state, "manifest_retired", before, {"reason": reason}, _says(before, "retired"))
    _move(state, entry, ACTIVE)
    past = bool(unmet)
    _emit(
        state,
        "manifest_activated",
        entry,
        {
            "previous_version": None if before is None else before.version,
            "reason": seen.reason,
            "forced": past,
            "unmet": unmet,
            "compared": compared.data(),
        },
        _says(entry, "active") + (f", past its gate: {seen.reason}" if past else ""),
        WARNING if past else INFO,
    )
    if past:
        data = {"decision_id": None, "reason": seen.reason}
        message = f"manifest {entry.version} was activated past its gate: {seen.reason}"
        state.emit("override_used", NO_IDS, state.now, data, message, WARNING)


def _move(state: State, entry: Entry, to_state: str) -> None:
    if entry.state == SHADOW:
        state.kept.remove(COMPARED, state.tenant, entry.version)
        shadow_pools.forget(state, entry.version)
    entry.state = to_state
    entry.since_unix_nano = state.now
    state.kept.changed(MANIFESTS, state.tenant, entry.version)
    state.forget_manifests()


# ── the gate ─────────────────────────────────────────────────────────────────────────────────


def compared_of(state: State, entry: Entry) -> Compared:
    """What a manifest has shown as a shadow."""
    return state.kept.get(COMPARED, state.tenant, entry.version) or Compared()


def unmet_conditions(state: State, entry: Entry) -> list[str]:
    """Why the active manifest's gate does not let this one pass; empty if it does."""
    gate, one = state.manifest.gate, compared_of(state, entry)
    shadow_ms = (state.now - entry.since_unix_nano) // MS if entry.state == SHADOW else 0
    found = []
    if one.evaluations < gate.min_evaluations:
        found.append(f"{one.evaluations} evaluations, at least {gate.min_evaluations} are needed")
    if shadow_ms < gate.min_shadow_ms:
        least = duration_text(gate.min_shadow_ms)
        found.append(f"{duration_text(shadow_ms)} as a shadow, at least {least} are needed")
    return found + _bounds(gate, one)


def _bounds(gate: Gate, one: Compared) -> list[str]:
    bounds = (
        ("with another mode", one.mode_diverged, gate.mode_divergence_percent),
        ("with other limits", one.budget_diverged, gate.budget_divergence_percent),
        ("newly refused", one.newly_refused, gate.newly_refused_percent),
    )
    return [
        f"{one.percent(count)} % {what}, at most {most} % are allowed"
        for what, count, most in bounds
        if one.percent(count) > most
    ]


# ── saying so ────────────────────────────────────────────────────────────────────────────────


def _says(entry: Entry, what: str) -> str:
    return f"manifest {entry.version} is {what}"


def _emit(
    state: State,
    event_type: str,
    entry: Entry,
    data: dict[str, Any],
    message: str,
    severity: str = INFO,
) -> None:
    head = {"version": entry.version, "name": entry.name, "sha256": entry.sha256}
    state.emit(event_type, NO_IDS, state.now, {**head, **data}, message, severity)


def _refuse(
    state: State,
    version: str,
    action: str,
    code: str,
    message: str,
    unmet: list[str] | None = None,
) -> None:
    data = {"version": version, "action": action, "code": code, "reason": message,
            "unmet": unmet or []}  # fmt: skip
    state.emit("manifest_refused", NO_IDS, state.now, data, message, WARNING)
