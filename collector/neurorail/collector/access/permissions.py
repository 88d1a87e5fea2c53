"""The thirteen permissions, the three roles, and what each channel and signal needs."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from neurorail.rules import events

READ_AUDIT: Final = "read:audit"
READ_LIFECYCLE: Final = "read:lifecycle"
READ_METRICS: Final = "read:metrics"
STREAM_EVENTS: Final = "stream:events"
WRITE_AUDIT: Final = "write:audit"
WRITE_LIFECYCLE: Final = "write:lifecycle"
WRITE_METRICS: Final = "write:metrics"
EXECUTE_REFLEX: Final = "execute:reflex"
MANAGE_GOVERNOR: Final = "manage:governor"
MANAGE_ENFORCEMENT: Final = "manage:enforcement"
MANAGE_RBAC: Final = "manage:rbac"
EMERGENCY_OVERRIDE: Final = "emergency:override"
SYSTEM_ADMIN: Final = "system:admin"

_VIEWER: Final = (READ_AUDIT, READ_LIFECYCLE, READ_METRICS, STREAM_EVENTS)
_OPERATOR: Final = (
    *_VIEWER,
    WRITE_AUDIT,
    WRITE_LIFECYCLE,
    WRITE_METRICS,
    EXECUTE_REFLEX,
    MANAGE_GOVERNOR,
    MANAGE_ENFORCEMENT,
)
PERMISSIONS: Final = (*_OPERATOR, MANAGE_RBAC, EMERGENCY_OVERRIDE, SYSTEM_ADMIN)
"""Every permission, in the order in which they are shown."""

ROLES: Final = MappingProxyType({"admin": PERMISSIONS, "operator": _OPERATOR, "viewer": _VIEWER})
"""What each role may do."""

CHANNEL_PERMISSIONS: Final = MappingProxyType(
    {
        events.AUDIT: (READ_AUDIT,),
        events.METRICS: (READ_METRICS,),
        events.LIFECYCLE: (READ_LIFECYCLE,),
        events.REFLEX: (READ_LIFECYCLE,),
        events.GOVERNOR: (READ_LIFECYCLE,),
        events.ENFORCEMENT: (READ_LIFECYCLE,),
        events.ALL: (READ_AUDIT, READ_METRICS, READ_LIFECYCLE),
    }
)
"""What a stream channel needs besides `stream:events`."""

SIGNAL_PERMISSIONS: Final = MappingProxyType(
    {"traces": WRITE_LIFECYCLE, "logs": WRITE_LIFECYCLE, "metrics": WRITE_METRICS}
)
"""What sending an OTLP signal needs, of those who are no agents."""


def in_order(permissions: frozenset[str] | set[str]) -> list[str]:
    """Permissions in the order in which they are shown."""
    return [name for name in PERMISSIONS if name in permissions]
