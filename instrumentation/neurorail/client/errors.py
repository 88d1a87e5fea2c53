"""What can go wrong between a client and the server."""

from __future__ import annotations


class ClientError(Exception):
    """The server did not give what was asked for."""


class Unreachable(ClientError):
    """Nobody answers at the address, or the connection broke."""


class Problem(ClientError):
    """The server answered with an error."""

    def __init__(self, status: int, title: str, detail: str = "", code: str = "") -> None:
        """`status` is HTTP's, `code` is NeuroRail's (`NR-E…`) or empty."""
        self.status = status
        self.title = title
        self.detail = detail
        self.code = code
        text = detail or title or f"status {status}"
        super().__init__(f"{text} ({code or status})")
