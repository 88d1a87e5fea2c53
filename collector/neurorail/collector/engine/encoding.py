"""Engine events as they leave the engine: encoded once, hashed, chained and digested.

One event becomes one line of the outbox; the `data` bytes in it go to subscribers, into the audit
table, and under the hash.
"""

from __future__ import annotations

import logging
from binascii import hexlify
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

import msgspec

from neurorail.collector.audit_chain import GENESIS
from neurorail.collector.envelope import Envelope
from neurorail.collector.stream.event import seconds_text
from neurorail.rules.amount_text import usd_text
from neurorail.rules.events import CRITICAL, EVENT_TYPES, Event
from neurorail.rules.observations import NO_IDS, Ids

_encode = msgspec.json.Encoder().encode


_log = logging.getLogger(__name__)


def usd_number(pico: int) -> msgspec.Raw:
    """Pico-USD as a JSON number, exact."""
    return msgspec.Raw(usd_text(pico).encode())


def usd_or_none(pico: int | None) -> msgspec.Raw | None:
    """The same; None where there is no amount: no limit, no price."""
    return None if pico is None else usd_number(pico)


@dataclass(slots=True)
class Heads:
    """Where the audit chain and the digest stand."""

    audit: bytes = GENESIS
    digest: bytes = GENESIS
    events: int = 0


def encode_events(
    node: str,
    epoch: int,
    envelope: Envelope,
    events: Sequence[Event],
    heads: Heads,
    into: list[bytes],
) -> None:
    """Append one record's events as lines, moving the heads of chain and digest on.

    A line is the canonical head, then the previous hash, the hash and the details: what the hash
    covers is the beginning of the line, as it stands. It is put together from pieces, since most of
    it repeats from event to event; a test holds it to `audit_chain.canonical`.

    An event whose data cannot be written is a defect, and becomes a `record_failed`: what the
    engine decided holds, and its record, which is durable, must not end every start from now on.
    """
    audit, digest = heads.audit, heads.digest
    audit_hex = hexlify(audit)
    begin = f"[{_text(node)},{epoch},{envelope.seq},"
    record = f",{_text(envelope.tenant)},{envelope.received_unix_nano},"
    principal = _text(envelope.principal)
    append, join = into.append, b"".join
    ids: Ids = NO_IDS
    chain_head, chain_details = _NO_CHAIN
    at, at_bytes = -1, b""
    for index, event in enumerate(events):
        if event.ids is not ids:
            if event.ids != ids:
                chain_head, chain_details = _chain(event.ids)
            ids = event.ids
        event_type = event.type
        data = event.data
        try:
            if event_type in _MONEY:
                data = _with_money(event_type, data)
            elif event_type == "trigger_activated":
                data = _with_rate(data)
            told = _encode(data)
        except MemoryError:
            raise
        except Exception as error:
            event = _not_written(event, index, error)
            event_type, told = event.type, _encode(event.data)
        get = event.data.get
        if event.event_time_unix_nano != at:
            at = event.event_time_unix_nano
            at_bytes = b'"event_time":%b,' % seconds_text(at).encode()
        details = join((chain_details, at_bytes, told[1:]))
        details_digest = sha256(details).digest()
        kind, type_bytes = _KINDS[event_type]
        head = (
            f"{begin}{index}{record}{at},{kind},"
            f'"{event.severity}",{_message(event.message)},{chain_head},'
            f'"{get("entity_type", "")}","{get("entity_id", "")}",{principal},'
            f'"{details_digest.hex()}"'
        ).encode()
        audit = sha256(join((audit, head, b"]"))).digest()
        before_hex, audit_hex = audit_hex, hexlify(audit)
        digest = sha256(join((digest, details_digest, type_bytes))).digest()
        append(join((head, b',"', before_hex, b'","', audit_hex, b'",', details, b"]")))
    heads.audit, heads.digest = audit, digest
    heads.events += len(events)


def _not_written(event: Event, index: int, error: Exception) -> Event:
    """What is told instead of an event that cannot be written."""
    cause = f"{type(error).__name__}: {error}"
    _log.error("a %s event cannot be written: %s", event.type, cause, exc_info=error)
    return Event(
        "record_failed",
        event.ids,
        event.event_time_unix_nano,
        {"observation": event.type, "error": cause, "observation_index": index},
        f"a {event.type} event could not be written",
        CRITICAL,
    )


def _chain(ids: Ids) -> tuple[str, bytes]:
    """The chain ids of an event, as they stand in its head and at the beginning of its details.

    Ids consist of letters, digits, dots, dashes and underscores: as JSON they are themselves.
    """
    mission, plan, job, attempt, resource = ids
    return (
        f'"{mission or ""}","{plan or ""}","{job or ""}","{attempt or ""}","{resource or ""}"',
        (
            (f'{{"mission_id":"{mission}",' if mission is not None else "{")
            + (f'"plan_id":"{plan}",' if plan is not None else "")
            + (f'"job_id":"{job}",' if job is not None else "")
            + (f'"attempt_id":"{attempt}",' if attempt is not None else "")
            + (f'"resource_id":"{resource}",' if resource is not None else "")
        ).encode(),
    )


def _text(value: str) -> str:
    """A text as JSON."""
    return _encode(value).decode()


@lru_cache(4_096)
def _message(message: str) -> str:
    """A message as JSON; most messages are one of a few."""
    return _encode(message).decode()


_NO_CHAIN: Final = _chain(NO_IDS)
_KINDS: Final = {
    kind.name: (f'"{kind.channel}","{kind.name}","{kind.category}"', kind.name.encode())
    for kind in EVENT_TYPES.values()
}
"""As they stand in a head, and the name alone."""


_GOVERNED: Final = frozenset(
    {
        "mode_decided",
        "decision_repeated",
        "reservation_settled",
        "reservation_unsettled",
        "budget_changed",
    }
)
_MONEY: Final = _GOVERNED | frozenset(
    {"cost_tracked", "usage_moved", "metrics_recorded", "budget_warning", "budget_violation"}
)


_COST_FIELDS: Final = frozenset(
    {"limit", "consumed", "held", "left", "asked", "reserved", "unsettled"}
)


def in_usd(value: Any) -> Any:
    """Nested data with every amount in pico-USD as an exact decimal number of USD instead."""
    if isinstance(value, dict):
        is_cost = value.get("kind") == "cost"
        return {
            name.removesuffix("_pico") if name.endswith("_usd_pico") else name: (
                usd_or_none(part)
                if name.endswith("_usd_pico") or (is_cost and name in _COST_FIELDS)
                else in_usd(part)
            )
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [in_usd(part) for part in value]
    return value


def _with_money(event_type: str, data: dict[str, Any]) -> dict[str, Any]:
    """The data with money as an exact decimal number beside (for limits: instead of) pico-USD."""
    if event_type in _GOVERNED:
        return {name: in_usd(part) for name, part in data.items()}
    data = dict(data)
    if event_type in ("budget_warning", "budget_violation"):
        if data["violation_type"] == "cost":
            for name in ("limit", "consumed", "reserved", "overshoot"):
                if name in data:
                    data[name] = usd_number(data[name])
        return data
    pico = data.get("cost_usd_pico")
    name = "cost" if event_type == "cost_tracked" else "cost_usd"
    data[name] = usd_or_none(pico)
    return data


def _with_rate(data: dict[str, Any]) -> dict[str, Any]:
    """The data with the share of failures, 0 to 1, where a trigger counted them."""
    permille = data.get("evidence", {}).get("error_permille")
    if permille is None:
        return {**data, "error_rate": None}
    whole, part = divmod(permille, 1_000)
    return {**data, "error_rate": msgspec.Raw(f"{whole}.{part:03d}".encode())}
