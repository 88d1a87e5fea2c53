"""What can go wrong between a client and the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """The server did not give what was asked for."""


class Unreachable(ClientError):
    """Nobody answers at the address, or the connection broke."""


class Problem(ClientError):
    """The server answered with an error (RFC 9457). Its kinds are classes of their own."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        code: str = "",
        *,
        category: str = "",
        retriable: bool = False,
        details: Mapping[str, Any] | None = None,
        retry_after_s: float | None = None,
        server: str = "",
    ) -> None:
        """Keep what the server said.

        Args:
            status: HTTP's.
            title: The kind of error, in words.
            detail: What is wrong with this request.
            code: NeuroRail's (`NR-E…`), or empty.
            category: `MECHANICAL`, `SYSTEM` or `ETHICAL`, or empty.
            retriable: Whether the same request may succeed later.
            details: More, by name: `field`, `allowed_transitions`, `missing_permissions` …
            retry_after_s: When, in seconds, if the server says so.
            server: The address that was asked.
        """
        self.status = status
        self.title = title
        self.detail = detail
        self.code = code
        self.category = category
        self.retriable = retriable
        self.details = dict(details or {})
        self.retry_after_s = retry_after_s
        self.server = server
        text = detail or title or f"status {status}"
        super().__init__(f"{text} ({code or status})")


class Unauthenticated(Problem):
    """401: no credential, or none that is good."""


class Forbidden(Problem):
    """403: the credential lacks a permission; `details["missing_permissions"]` names it."""


class NotFound(Problem):
    """404: it is not known."""


class Conflict(Problem):
    """409: it is not possible now."""


class IllegalTransition(Conflict):
    """409 with NR-E301: `details["allowed_transitions"]` are possible."""


class Invalid(Problem):
    """422: a field cannot be read; `details["field"]` names it."""


class TooManyRequests(Problem):
    """429: more than this caller may send; `retry_after_s` says when to try again."""


class Unavailable(Problem):
    """503: a part of the server cannot answer now."""


_KINDS: Mapping[int, type[Problem]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: Invalid,
    429: TooManyRequests,
    503: Unavailable,
}
_ILLEGAL = "NR-E301"


def problem(status: int, title: str, retry_after: str, body: object, server: str = "") -> Problem:
    """The error that an answer is.

    Args:
        status: HTTP's.
        title: HTTP's reason, where the body has no title.
        retry_after: The header, or empty.
        body: The JSON of the answer, whatever it is.
        server: The address that was asked.
    """
    said = body if isinstance(body, dict) else {}
    code = str(said.get("code") or "")
    kind = IllegalTransition if (status, code) == (409, _ILLEGAL) else _KINDS.get(status, Problem)
    details = said.get("details")
    return kind(
        status,
        str(said.get("title") or title),
        str(said.get("detail") or ""),
        code,
        category=str(said.get("category") or ""),
        retriable=bool(said.get("retriable")),
        details=details if isinstance(details, dict) else None,
        retry_after_s=float(retry_after) if retry_after.isdecimal() else None,
        server=server,
    )
