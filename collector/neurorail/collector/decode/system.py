"""SYSTEM records: what the server itself puts into the inbox."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, TypeAlias

import msgspec

from neurorail.collector.decode.values import INT64_MAX
from neurorail.rules.observations import (
    DeadLettered,
    EpochStarted,
    Noted,
    Observation,
    PricesLoaded,
    Rejected,
    Resumed,
)


class ResumedRecord(msgspec.Struct, tag="resumed"):
    """The server was down or asleep for so many nanoseconds."""

    down_ns: int


class EpochRecord(msgspec.Struct, tag="epoch", omit_defaults=True):
    """A new engine version or configuration begins."""

    epoch: int
    node: str
    engine_version: str
    config: msgspec.Raw = msgspec.Raw(b"{}")


class PricesRecord(msgspec.Struct, tag="prices"):
    """A price table; `table` is its JSON, byte for byte what `sha256` was made from."""

    version: str
    sha256: str
    table: msgspec.Raw


class RejectedRecord(msgspec.Struct, tag="rejected"):
    """Items that were refused at the door as malformed, by reason."""

    signal: str
    reasons: dict[str, int]


class DeadLetterRecord(msgspec.Struct, tag="dead_letter"):
    """Rows of records `first_seq` to `last_seq` were put aside: `table` refuses them for good."""

    table: str
    first_seq: int
    last_seq: int
    error: str


class NotedRecord(msgspec.Struct, tag="noted"):
    """The server noticed or did something: an event of type `event`, with these fields."""

    event: str
    data: dict[str, Any]
    message: str
    severity: str = "info"


SystemRecord: TypeAlias = (
    ResumedRecord | EpochRecord | PricesRecord | RejectedRecord | DeadLetterRecord | NotedRecord
)

_DECODER: Final = msgspec.json.Decoder(SystemRecord)


def encode_system(record: SystemRecord) -> bytes:
    """The body of a SYSTEM record."""
    return msgspec.json.encode(record)


def read_system(body: bytes, stats: Counter[str]) -> list[Observation]:
    """The observation of a SYSTEM record; none (counted) for a type that is not the engine's."""
    try:
        record: SystemRecord = _DECODER.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError):
        stats["other_system_record"] += 1
        return []
    match record:
        case ResumedRecord():
            return [Resumed(max(0, min(record.down_ns, INT64_MAX)))]
        case EpochRecord():
            config = bytes(record.config).decode("utf-8", "replace")
            return [EpochStarted(record.epoch, record.node, record.engine_version, config)]
        case PricesRecord():
            return [PricesLoaded(record.version, record.sha256, bytes(record.table))]
        case RejectedRecord():
            return [Rejected(record.signal, tuple(sorted(record.reasons.items())))]
        case DeadLetterRecord():
            return [DeadLettered(record.table, record.first_seq, record.last_seq, record.error)]
        case NotedRecord():
            data = msgspec.json.encode(record.data).decode()
            return [Noted(record.event, data, record.message, record.severity)]
