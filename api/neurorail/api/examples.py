"""Examples for the description of the API: one value a name, so that they fit each other."""

from __future__ import annotations

from typing import Any, Final

_TIME: Final = "2026-05-01T09:30:00.000000000Z"
_HASH: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_EVENT: Final = "n1.1.4711.0"

NAMED: Final[dict[str, Any]] = {
    "mission_id": "m_0198f3c1a2b37c4d8e5f60718293a4b5",
    "parent_mission_id": None,
    "other_id": "m_0198f3c1a2b37c4d8e5f60718293a4b6",
    "plan_id": "p_0198f3c1a2b37c4d8e5f60718293a4b5",
    "job_id": "j_0198f3c1a2b37c4d8e5f60718293a4b5",
    "attempt_id": "a_0198f3c1a2b37c4d8e5f60718293a4b5",
    "resource_id": "r_0198f3c1a2b37c4d8e5f60718293a4b5",
    "entity_id": "m_0198f3c1a2b37c4d8e5f60718293a4b5",
    "parent_id": None,
    "dependencies": [],
    "state": "running",
    "current_state": "running",
    "from_state": "queued",
    "to_state": "running",
    "transition": "start",
    "allowed_transitions": ["succeed", "fail", "timeout", "cancel"],
    "flags": [],
    "tags": {"team": "sales"},
    "metadata": {},
    "details": {"ticket": "4711"},
    "agent": "writer",
    "service": "newsroom",
    "model": "gpt-4o",
    "provider": "openai",
    "tool": "search",
    "job_type": "llm_call",
    "plan_type": "sequential",
    "resource_type": "llm_call",
    "attempt_number": 1,
    "error_code": None,
    "input_tokens": 1200,
    "output_tokens": 300,
    "total_tokens": 1500,
    "tokens": 1500,
    "cost_usd": 0.006,
    "max_cost_usd": 0.25,
    "max_tokens": 10000,
    "timeout_ms": 60000,
    "duration_ms": 1840,
    "duration_ns": 1840000000,
    "tt_first_signal_ms": 320,
    "attempt_count": 1,
    "model_calls": 1,
    "calls": 1,
    "event_type": "approval",
    "event_category": "governance",
    "severity": "info",
    "message": "a person looked at the draft",
    "reason": "the draft is good",
    "detail": "plan 'p_1' is not known yet",
    "field": "plan_id",
    "code": None,
    "channel": "audit",
    "principal": "key:k_1",
    "caused_by": None,
    "next_cursor": None,
    "limit": 100,
    "rate_per_s": 100,
    "node": "n1",
    "version": "1",
    "name": "newsroom",
    "sha256": _HASH,
    "head": _HASH,
    "root": _HASH,
    "public_key": _HASH,
    "new_public_key": _HASH,
    "signature": _HASH + _HASH,
    "key_id": "k_1",
    "prefix": "nrk_0198f3c1",
    "key": "nrk_0198f3c1…",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "span_id": "00f067aa0ba902b7",
    "parent_span_id": None,
    "user_id": "ada",
    "tenant": "default",
    "role": "operator",
    "permissions": ["read:audit", "read:lifecycle"],
    "required_permissions": ["read:audit"],
    "granted_permissions": ["read:audit"],
    "missing_permissions": [],
    "instance_id": "writer-1",
    "source": "neurorail_manifest: 1\nname: newsroom\nversion: '1'\ndefault_mode: direct\n",
    "before": "-365d",
    "since": "-7d",
    "until": None,
    "subject": None,
    "public_keys": [],
    "anchors": None,
    "first_seq": None,
    "last_seq": None,
    "idempotency_key": "draft-1",
    "parent_reservation_id": None,
    "override": None,
    "context": {"agent": "writer", "model": "gpt-4o"},
    "operation": "inference",
    "circuit_id": None,
    "directive_id": None,
    "through_seq": None,
    "ttl_ms": 60000,
}
"""Values by the name of a field; a field whose type is another gets one by its type."""

_TYPES: Final[dict[str, Any]] = {
    "string": "text",
    "integer": 0,
    "number": 0.0,
    "boolean": True,
    "null": None,
}
_EVENT_IDS: Final = ("event_id", "audit_id", "transition_id", "snapshot_id", "first", "last")


def example_of(schema: dict[str, Any], schemas: dict[str, Any], name: str = "") -> Any:
    """A value that a schema allows.

    Args:
        schema: JSON Schema.
        schemas: What it may refer to, by name.
        name: Of the field it is the schema of.
    """
    schema = _resolved(schema, schemas)
    if "properties" in schema:
        return {
            field: example_of(part, schemas, field)
            for field, part in schema["properties"].items()
            if field in schema.get("required", ()) or _is_told(field, part, schemas)
        }
    if "const" in schema:
        return schema["const"]
    known = _known(name)
    if known is not _NOTHING and _allows(schema, known, schemas):
        return known
    if "enum" in schema:
        return schema["enum"][0]
    if "default" in schema:
        return schema["default"]
    for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        return example_of(part, schemas, name)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "array":
        return [example_of(schema["items"], schemas)] if _is_whole(schema, schemas) else []
    if kind == "object" or kind is None:
        return {}
    return max(_TYPES[kind], schema.get("minimum", 0)) if kind == "integer" else _TYPES[kind]


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    return schema


_NOTHING: Final = object()


def _known(name: str) -> Any:
    if name in _EVENT_IDS:
        return _EVENT
    if name.endswith("_at") or name in ("timestamp", "time", "event_time", "start_time", "as_of"):
        return _TIME
    return NAMED.get(name, _NOTHING)


def _is_told(field: str, schema: dict[str, Any], schemas: dict[str, Any]) -> bool:
    """Whether a field that may be left out is worth showing."""
    known = _known(field)
    return known is not _NOTHING and known is not None and _allows(schema, known, schemas)


def _is_whole(schema: dict[str, Any], schemas: dict[str, Any]) -> bool:
    """Whether what a list holds says something: an object with fields."""
    item = _resolved(schema.get("items", {}), schemas)
    return any("properties" in _resolved(one, schemas) for one in (item, *item.get("anyOf", ())))


def _allows(schema: dict[str, Any], value: Any, schemas: dict[str, Any]) -> bool:
    schema = _resolved(schema, schemas)
    parts = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if parts:
        return any(_allows(part, value, schemas) for part in parts)
    if "enum" in schema:
        return value in schema["enum"]
    if "const" in schema:
        return bool(value == schema["const"])
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return not kinds or any(_is_a(value, kind, schema, schemas) for kind in kinds)


def _is_a(value: Any, kind: str, schema: dict[str, Any], schemas: dict[str, Any]) -> bool:
    if value is None or kind == "null":
        return value is None and kind == "null"
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, str):
        return kind == "string" and len(value) <= schema.get("maxLength", len(value))
    if isinstance(value, int | float):
        return kind == "number" or (kind == "integer" and isinstance(value, int))
    if isinstance(value, dict):
        return kind == "object" and "properties" not in schema
    return kind == "array" and all(
        _allows(schema.get("items", {}), item, schemas) for item in value
    )
