"""Cross-origin requests of browser SDKs."""

from __future__ import annotations

from typing import Final, TypeAlias

HeaderList: TypeAlias = list[tuple[bytes, bytes]]

ANY_ORIGIN: Final = "*"
_ALLOWED_HEADERS: Final = (
    b"authorization, baggage, content-encoding, content-type, traceparent, tracestate, x-api-key"
)


class Cors:
    """Which origins may export, and the headers that tell a browser so."""

    def __init__(self, allowed_origins: tuple[str, ...], max_age_s: int) -> None:
        self._any = ANY_ORIGIN in allowed_origins
        self._allowed = frozenset(origin.encode("latin-1") for origin in allowed_origins)
        self._max_age = str(max_age_s).encode()

    def headers(self, origin: bytes | None) -> HeaderList:
        """What is added to any answer to this origin; nothing if it is not allowed."""
        if origin is None or not (self._any or origin in self._allowed):
            return []
        return [
            (b"access-control-allow-origin", b"*" if self._any else origin),
            (b"access-control-expose-headers", b"retry-after"),
            (b"vary", b"origin"),
        ]

    def preflight(self, origin: bytes | None) -> HeaderList:
        """The answer to a browser that asks before it sends."""
        headers = self.headers(origin)
        if headers:
            headers += [
                (b"access-control-allow-methods", b"POST"),
                (b"access-control-allow-headers", _ALLOWED_HEADERS),
                (b"access-control-max-age", self._max_age),
            ]
        return headers
