"""Recognising a logs export that was sent to the traces endpoint.

ResourceLogs and ResourceSpans share field numbers, so that one often parses as the other and
gives spans without ids.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest


def looks_like_logs(body: bytes) -> bool:
    """Whether the bytes parse as a logs export with at least one record that has a time.

    A span has no time where a log record has one, in number and wire type.
    """
    try:
        request = ExportLogsServiceRequest.FromString(body)
    except DecodeError:
        return False
    return any(
        record.time_unix_nano or record.observed_time_unix_nano
        for resource_logs in request.resource_logs
        for scope_logs in resource_logs.scope_logs
        for record in scope_logs.log_records
    )
