"""Following the live stream for ever, without any I/O: where to resume, and how long to wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from neurorail.client.errors import ClientError, Problem, Unreachable
from neurorail.client.request import Query
from neurorail.client.sse import Retry, StreamMessage

STREAM_PATH: Final = "/api/neurorail/v1/stream/events"
QUIET_S: Final = 60.0
"""A stream without even a comment for so long is taken for broken."""
RETRY_MAX_MS: Final = 10_000
_RETRY_MS: Final = 1_000


class Following:
    """One follower of the stream, across its connections."""

    def __init__(
        self,
        channels: Sequence[str] = (),
        event_types: Sequence[str] = (),
        entity_ids: Sequence[str] = (),
        *,
        replay: bool = True,
        last_event_id: str = "",
    ) -> None:
        """None named means all; `replay` begins with what the server still remembers."""
        self._query = {
            "channels": list(channels),
            "event_types": list(event_types),
            "entity_ids": list(entity_ids),
        }
        self._replay = replay
        self._delay_ms = _RETRY_MS
        self.last_event_id = last_event_id
        """Begin after this event."""

    @property
    def query(self) -> Query:
        """What the next connection asks for."""
        return {**self._query, "replay_buffer": self._replay}

    @property
    def headers(self) -> dict[str, str]:
        """What the next connection is sent with."""
        resumed = {"Last-Event-ID": self.last_event_id} if self.last_event_id else {}
        return {"Accept": "text/event-stream", **resumed}

    def took(self, message: StreamMessage | Retry) -> StreamMessage | None:
        """Note what came; the message, if it is one for the follower."""
        if isinstance(message, Retry):
            self._delay_ms = message.delay_ms
            return None
        self.last_event_id = message.id or self.last_event_id
        return message

    def pause_s(self, failure: ClientError | None) -> float:
        """How long to wait before the next connection; None for a stream that just ended.

        Raises:
            ClientError: the failure itself, where trying again cannot help.
        """
        refused = isinstance(failure, Problem) and failure.status < 500
        if failure is not None and (refused or not isinstance(failure, Problem | Unreachable)):
            raise failure
        # Once something came, what was missed has to come too.
        self._replay = self._replay or bool(self.last_event_id)
        doubled = self._delay_ms << (failure is not None)
        return min(doubled, RETRY_MAX_MS) / 1_000
