"""No server may take what it exported itself: everything would come round for ever, and grow.

Every request of the exporter says whose it is, by the id of the data directory, and whose exports
led there lately, directly or through others. Who finds itself there refuses: for good what it sent
itself, for now what comes from a server that it exports to, so that nothing is lost if that is no
circle any more. A Collector in between passes neither on.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from neurorail.collector.otlp.refusal import Refusal, bad_data, unavailable

NODE_HEADER: Final = "neurorail-node"
"""Who exports: HTTP header and gRPC metadata."""
SOURCES_HEADER: Final = "neurorail-sources"
"""Whose exports led to it, separated by commas."""
SOURCE_S: Final = 600.0
"""A server that sent nothing for so long is no source any more."""
SOURCES_MAX: Final = 32
RETRY_S: Final = 60.0
_NODE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class ExportPath:
    """The way that exports took here. Thread-safe. Without a node it stands in nobody's way."""

    def __init__(self, node: str, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._node = node
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._heard_s: dict[str, float] = {}

    def enter(self, headers: Mapping[str, str]) -> Refusal | None:
        """Refuse what goes in a circle; remember who else exports to this server."""
        sender = headers.get(NODE_HEADER, "")
        if not self._node or not sender:
            return None
        if sender == self._node:
            return bad_data(
                "this server exported the request itself: take the destination that leads back to"
                " it out of export.destinations, or correct its endpoint"
            )
        nodes = [sender, *headers.get(SOURCES_HEADER, "").split(",")]
        if self._node in nodes:
            return unavailable(
                f"server {sender[:64]!r} exports here what this server exports to it, directly or"
                " through others: take one of the two destinations out of export.destinations",
                RETRY_S,
            )
        self._remember(node for node in nodes if _NODE.fullmatch(node))
        return None

    def headers(self) -> dict[str, str]:
        """What a request of this server's exporter says of its way."""
        with self._lock:
            self._forget()
            sources = ",".join(self._heard_s)
        return {NODE_HEADER: self._node, **({SOURCES_HEADER: sources} if sources else {})}

    def _remember(self, nodes: Iterable[str]) -> None:
        with self._lock:
            for node in nodes:
                self._heard_s.pop(node, None)
                self._heard_s[node] = self._clock_s()
            self._forget()

    def _forget(self) -> None:
        """Drop what was not heard of for long, and the longest ago of too many."""
        oldest_s = self._clock_s() - SOURCE_S
        for node in list(self._heard_s):
            if self._heard_s[node] >= oldest_s and len(self._heard_s) <= SOURCES_MAX:
                return
            del self._heard_s[node]
