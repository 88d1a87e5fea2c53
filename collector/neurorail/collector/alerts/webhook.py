"""A webhook, and the requests that are made to it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

SIGNATURE_HEADER: Final = "X-NeuroRail-Signature"
EVENT_HEADER: Final = "X-NeuroRail-Event-Id"
JSON: Final = "json"
SLACK: Final = "slack"
PAGERDUTY: Final = "pagerduty"
FORMATS: Final = (JSON, SLACK, PAGERDUTY)
_SLACK_TEXT_MAX: Final = 3_000
_PAGERDUTY_SUMMARY_MAX: Final = 1_024


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where alerts are sent to, and in which form."""

    name: str
    url: str
    format: str = JSON
    secret: bytes = field(default=b"", repr=False)
    """Signs what is sent; for PagerDuty it is the routing key."""
    events: frozenset[str] = frozenset()
    """Types of event that are sent besides alerts."""
    timeout_s: float = 10.0

    def body(self, message: Mapping[str, Any]) -> bytes:
        """The body that tells a message."""
        return msgspec.json.encode(_FORMATS[self.format](message, self))

    def headers(self, event_id: str, body: bytes, unix_s: int) -> dict[str, str]:
        """The headers of a request; the same event has the same id however often it is sent."""
        found = {
            "Content-Type": "application/json",
            "User-Agent": "neurorail",
            EVENT_HEADER: event_id,
            "Idempotency-Key": event_id,
        }
        if self.secret and self.format != PAGERDUTY:
            found[SIGNATURE_HEADER] = sign(self.secret, body, unix_s)
        return found


def sign(secret: bytes, body: bytes, unix_s: int) -> str:
    """`t=…,v1=…`: HMAC-SHA256, in hex, of the time, a dot and the body."""
    signed = hmac.new(secret, b"%d.%b" % (unix_s, body), hashlib.sha256)
    return f"t={unix_s},v1={signed.hexdigest()}"


def _slack(message: Mapping[str, Any], webhook: Webhook) -> dict[str, Any]:
    lines = [f"*{message['severity'].upper()}* {message['title']}"]
    if message["message"]:
        lines.append(message["message"])
    for label, name in (("rule", "rule"), ("scope", "scope_text"), ("mission", "mission_id")):
        if message[name]:
            lines.append(f"{label}: `{message[name]}`")
    return {"text": _escaped("\n".join(lines))[:_SLACK_TEXT_MAX]}


def _escaped(text: str) -> str:
    """Text as Slack reads it: nothing in it may become a link or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _pagerduty(message: Mapping[str, Any], webhook: Webhook) -> dict[str, Any]:
    return {
        "routing_key": webhook.secret.decode(),
        "event_action": "trigger",
        "dedup_key": f"neurorail:{message['rule']}:{message['scope_text']}",
        "payload": {
            "summary": f"{message['title']} {message['message']}".strip()[:_PAGERDUTY_SUMMARY_MAX],
            "source": message["node"],
            "severity": message["severity"],
            "component": message["rule"] or "neurorail",
            "custom_details": dict(message),
        },
    }


_FORMATS: Final[dict[str, Callable[[Mapping[str, Any], Webhook], Mapping[str, Any]]]] = {
    JSON: lambda message, webhook: message,
    SLACK: _slack,
    PAGERDUTY: _pagerduty,
}
