"""From an event to the message that webhooks get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from neurorail.collector.alerts.webhook import Webhook
from neurorail.collector.stream.event import StreamEvent, seconds_text
from neurorail.collector.stream.filters import StreamFilter
from neurorail.rules.directives import scope_text

ALERT: Final = "reflex_action_executed"
NEVER: Final = frozenset({"alert_delivered", "alert_failed"})
"""What came of alerts is no reason for another one."""
_NO_ALERT: Final = b'"alert":null'


@dataclass(frozen=True, slots=True)
class AlertFilter(StreamFilter):
    """Events that some webhook gets: alerts of reflexes, and what webhooks ask for."""

    def matches(self, event: StreamEvent) -> bool:
        """Whether an event is sent to anybody."""
        assert self.event_types is not None, "there is always a list"
        if event.event_type == ALERT and _NO_ALERT not in event.data:
            return True
        return event.event_type in self.event_types


def wanted(webhooks: Sequence[Webhook]) -> AlertFilter:
    """What these webhooks get, of all tenants."""
    types = frozenset(name for webhook in webhooks for name in webhook.events) - NEVER
    return AlertFilter(None, event_types=types)


class Event:
    """An event with its data read."""

    __slots__ = ("data", "id", "line", "tenant", "type")

    def __init__(self, event: StreamEvent) -> None:
        self.id = event.event_id
        self.type = event.event_type
        self.tenant = event.tenant
        self.line = event.line
        self.data: dict[str, Any] = msgspec.json.decode(event.data)

    def named_webhook(self) -> str | None:
        """The one webhook that an alert names."""
        alert = self.data.get("alert")
        return alert.get("webhook") if isinstance(alert, dict) else None

    def for_webhook(self, webhook: Webhook) -> bool:
        """Whether a webhook gets it."""
        if self.data.get("imported") is True:
            return False  # It happened long ago: there is nothing to be done about it.
        if self.type in webhook.events:
            return True
        if self.type != ALERT or self.data.get("alert") is None:
            return False
        return self.named_webhook() in (None, webhook.name)


def message_of(event: Event, node: str) -> dict[str, Any]:
    """What a webhook is told of an event."""
    data = event.data
    alert = data.get("alert") or {}
    scope = data.get("scope") or {}
    reason = data.get("reason") or ""
    return {
        "event_id": event.id,
        "event_type": event.type,
        "timestamp": msgspec.Raw(seconds_text(event.line.timestamp_unix_nano).encode()),
        "tenant": event.tenant,
        "node": node,
        "severity": alert.get("severity", event.line.severity),
        "title": f"{data['rule']}: {reason}" if data.get("rule") else event.line.message,
        "message": alert.get("message", ""),
        "reason": reason,
        "rule": data.get("rule") or "",
        "scope": scope,
        "scope_text": scope_text(scope) if scope else "",
        "mission_id": data.get("mission_id"),
        "data": data,
    }
