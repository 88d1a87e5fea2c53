"""What the server itself noticed or did, as events: the engine judges nothing here."""

from __future__ import annotations

import json
from typing import Final

from neurorail.rules.events import SEVERITIES, WARNING
from neurorail.rules.observations import NO_IDS, Noted
from neurorail.rules.state import State

NOTED_TYPES: Final = frozenset(
    {
        "access_denied",
        "agent_connected",
        "audit_checkpoint",
        "audit_failed",
        "audit_key_rotated",
        "audit_retained",
        "alert_delivered",
        "alert_failed",
        "export_dropped",
        "key_created",
        "key_revoked",
        "rerun_ended",
        "rerun_started",
        "snapshot_created",
    }
)
"""The types of event that a record may state outright; all others are the engine's to decide."""


def note(state: State, seen: Noted) -> None:
    """Emit the event that a record of the server states."""
    if seen.event_type not in NOTED_TYPES:
        state.count("unknown_notes")
        return
    severity = seen.severity if seen.severity in SEVERITIES else WARNING
    data = json.loads(seen.data_json)
    state.emit(seen.event_type, NO_IDS, state.now, data, seen.message, severity)
