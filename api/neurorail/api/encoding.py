"""JSON as the API writes it: exact money, ISO 8601 times, no floats made on the way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.responses import Response, StreamingResponse

from neurorail.collector.engine.encoding import usd_number as usd_number

_NANOS_PER_SECOND = 1_000_000_000


def iso_time(unix_nano: int) -> str | None:
    """Nanoseconds since the Unix epoch in ISO 8601, UTC, with nine digits; None for 0."""
    if unix_nano == 0:
        return None
    seconds, nanos = divmod(unix_nano, _NANOS_PER_SECOND)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanos:09d}Z"


class JsonResponse(Response):
    """A response encoded by msgspec."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Encode the content."""
        return msgspec.json.encode(content)


class JsonLinesResponse(StreamingResponse):
    """Lines of JSON, each sent when it is there."""

    media_type = "application/x-ndjson"
