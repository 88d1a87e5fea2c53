"""What ClickHouse answers when a query cannot be done: a code, a name and a sentence."""

from __future__ import annotations

import re
from typing import Final

ACCESS_DENIED: Final = (497, "ACCESS_DENIED")
AUTHENTICATION_FAILED: Final = (516, "AUTHENTICATION_FAILED")
BAD_ARGUMENTS: Final = (36, "BAD_ARGUMENTS")
MEMORY_LIMIT_EXCEEDED: Final = (241, "MEMORY_LIMIT_EXCEEDED")
NOT_IMPLEMENTED: Final = (48, "NOT_IMPLEMENTED")
QUERY_IS_TOO_LARGE: Final = (1002, "UNKNOWN_EXCEPTION")
QUERY_WAS_CANCELLED: Final = (394, "QUERY_WAS_CANCELLED")
READONLY: Final = (164, "READONLY")
TOO_MANY_BYTES: Final = (396, "TOO_MANY_ROWS_OR_BYTES")
TOO_MANY_SIMULTANEOUS_QUERIES: Final = (202, "TOO_MANY_SIMULTANEOUS_QUERIES")
UNKNOWN_FORMAT: Final = (73, "UNKNOWN_FORMAT")
UNKNOWN_DATABASE: Final = (81, "UNKNOWN_DATABASE")

_SAID: Final = re.compile(r"^(?:Code: (\d+)\. DB::Exception: )+(.*)$", re.S)
_NAME: Final = re.compile(r"\(([A-Z0-9_]+)\)(?: \(version [^)]*\))?\.?\s*$")
_STATUS: Final = {
    81: 404, 60: 404, 516: 403, 497: 403, 164: 403, 202: 503, 159: 408, 62: 400, 36: 400, 47: 400,
    115: 400, 46: 400, 48: 501, 456: 400, 241: 500,
}  # fmt: skip


class QueryError(Exception):
    """A query that was not done.

    Attributes:
        code: ClickHouse's number of the error.
        name: Its name in capitals.
    """

    def __init__(self, kind: tuple[int, str], message: str) -> None:
        super().__init__(message)
        self.code, self.name = kind

    @classmethod
    def of_engine(cls, error: Exception) -> QueryError:
        """The error that the engine raised, with its own code."""
        text = str(error)
        said = _SAID.match(text)
        name = _NAME.search(text)
        if said is None:
            return cls((1001, "STD_EXCEPTION"), text)
        kind = (int(said[1]), name[1] if name else "UNKNOWN_EXCEPTION")
        return cls(kind, _NAME.sub("", said[2]).strip())

    @property
    def status(self) -> int:
        """The HTTP status that ClickHouse answers with."""
        return _STATUS.get(self.code, 500)

    @property
    def text(self) -> str:
        """The body that clients parse."""
        return f"Code: {self.code}. DB::Exception: {self}. ({self.name})\n"
