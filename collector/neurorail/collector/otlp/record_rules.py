"""An operator's rules for the JSON records of the inbox, each kind by what it is.

| record | members that a client shapes | the server's own members | text |
|---|---|---|---|
| a write (COMMAND) | by name and by pattern, whole | by name if they are text | by pattern |
| what the server noticed (SYSTEM) | – | stay | by pattern |
| a manifest | – | stay: refused at the door if a pattern matches | stays |
| signed statements, prices, epochs | – | stay: a hash is made of them | stays |

Telemetry was seen to when it was admitted; ticks hold nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from neurorail.collector.envelope import Kind, Submission
from neurorail.collector.otlp.attribute_rules import FROM_JSON, TO_JSON, AttributeRules

FREE: Final = frozenset({"metadata", "details", "tags", "context"})
"""Members of a write whose own members are the client's."""
_TOLD: Final = frozenset({"noted", "dead_letter"})
"""SYSTEM records that can quote others: a webhook, a database, an agent, a person."""
_SIGNED: Final = frozenset({"audit_checkpoint", "audit_key_rotated", "audit_retained"})
"""Events that repeat what was signed: numbers and hashes."""
_MANIFEST: Final = "manifest_create"
_OWN: Final = frozenset({"type", "event", "severity", "table"})
"""Members that say what a record is."""


def cleaned(rules: AttributeRules, record: Submission) -> Submission:
    """A record without what the rules deny; the same object if that is nothing."""
    if record.kind not in (Kind.COMMAND, Kind.SYSTEM):
        return record
    # JSON may spell a character by its number, and so hide it from the search.
    if not rules.may_concern(record.body) and b"\\" not in record.body:
        return record
    said = FROM_JSON.decode(record.body)
    clean = _command(rules, said) if record.kind is Kind.COMMAND else _system(rules, said)
    return record if clean == said else replace(record, body=TO_JSON.encode(clean))


def _command(rules: AttributeRules, said: dict[str, Any]) -> dict[str, Any]:
    if said["type"] == _MANIFEST:
        return said
    return {name: _member(rules, name, value) for name, value in said.items()}


def _member(rules: AttributeRules, name: str, value: Any) -> Any:
    denied = rules.denies(name)
    if name in _OWN:
        return value
    if name in FREE and isinstance(value, dict):
        if denied:
            return {rules.text(part): rules.hidden(inner) for part, inner in value.items()}
        return rules.json(value)
    if denied and isinstance(value, str):
        return rules.hidden(value)
    # A number or an object of ours has its form: a hash in its place could not be read.
    return rules.texts(value)


def _system(rules: AttributeRules, said: dict[str, Any]) -> dict[str, Any]:
    if said["type"] not in _TOLD or said.get("event") in _SIGNED:
        return said
    return {name: value if name in _OWN else rules.texts(value) for name, value in said.items()}
