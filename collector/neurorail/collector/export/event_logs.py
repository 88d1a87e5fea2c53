"""Governance events as OTLP log records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber

from neurorail.collector.stream.event import EventLine
from neurorail.rules.events import CRITICAL, ERROR, INFO, WARNING
from neurorail.semconv import attributes as names

SERVICE: Final = "neurorail"
SEVERITY_NUMBERS: Final = {
    INFO: SeverityNumber.SEVERITY_NUMBER_INFO,
    WARNING: SeverityNumber.SEVERITY_NUMBER_WARN,
    ERROR: SeverityNumber.SEVERITY_NUMBER_ERROR,
    CRITICAL: SeverityNumber.SEVERITY_NUMBER_FATAL,
}
_INT64: Final = range(-(1 << 63), 1 << 63)


def event_logs(lines: Sequence[EventLine], node: str, version: str) -> bytes:
    """An export request with one log record an event, in their order.

    The event's type is the record's event name, under `neurorail.`; `neurorail.event.id` is the
    same however often it is sent. The event's own fields are attributes under
    `neurorail.event.data.`; lists and maps among them are JSON text.
    """
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    for key, value in (
        ("service.name", SERVICE),
        ("service.instance.id", node),
        ("service.version", version),
    ):
        _set(group.resource.attributes, key, value)
    scope = group.scope_logs.add()
    scope.scope.name, scope.scope.version = SERVICE, version
    for line in lines:
        record = scope.log_records.add(
            time_unix_nano=line.event_time_unix_nano or line.timestamp_unix_nano,
            observed_time_unix_nano=line.timestamp_unix_nano,
            severity_number=SEVERITY_NUMBERS.get(
                line.severity, SeverityNumber.SEVERITY_NUMBER_INFO
            ),
            severity_text=line.severity.upper(),
            event_name=f"neurorail.{line.event_type}",
        )
        record.body.string_value = line.message
        for key, value in _attributes(line):
            _set(record.attributes, key, value)
    body: bytes = request.SerializeToString()
    return body


def _attributes(line: EventLine) -> list[tuple[str, Any]]:
    ids = (line.mission_id, line.plan_id, line.job_id, line.attempt_id, line.resource_id)
    found: list[tuple[str, Any]] = [
        ("neurorail.event.id", line.event_id),
        ("neurorail.event.channel", line.channel),
        ("neurorail.event.category", line.event_category),
        ("neurorail.event.hash", line.hash),
        ("neurorail.tenant", line.tenant),
        *((key, value) for key, value in zip(names.CHAIN_IDS, ids, strict=True) if value),
    ]
    data: dict[str, Any] = msgspec.json.decode(line.data)
    told = {key.rsplit(".", 2)[-2] + "_id" for key in names.CHAIN_IDS}
    found += [
        (f"neurorail.event.data.{key}", value)
        for key, value in data.items()
        if value is not None and key not in told
    ]
    return found


def _set(attributes: Any, key: str, value: Any) -> None:
    attribute: KeyValue = attributes.add(key=key)
    match value:
        case bool():
            attribute.value.bool_value = value
        case int() if value in _INT64:
            attribute.value.int_value = value
        case float():
            attribute.value.double_value = value
        case str():
            attribute.value.string_value = value
        case _:
            attribute.value.string_value = msgspec.json.encode(value).decode()
