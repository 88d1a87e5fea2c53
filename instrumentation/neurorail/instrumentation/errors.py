"""What NeuroRail raises in an agent's process.

    NeuroRailError        has `code` (NR-E…), `category`, `retriable`
      NeuroRailRefused    a governed call was not made, or work was cancelled
      NeuroRailFailed     `run` or `arun` gave no result

Your own exceptions pass through `with mission(…)` and its like unchanged.
"""

from __future__ import annotations

import json
from typing import ClassVar, Final

from neurorail.semconv.errors import category, retriable

TIMEOUT: Final = "NR-E001"
BUDGET_EXCEEDED: Final = "NR-E002"
RETRIES_EXHAUSTED: Final = "NR-E003"
UPSTREAM_UNAVAILABLE: Final = "NR-E004"
BAD_RESPONSE: Final = "NR-E005"
KILLED: Final = "NR-E008"
CONTROL_UNREACHABLE: Final = "NR-E011"

_RETRY_STATUS: Final = frozenset({408, 409, 429})


class NeuroRailError(Exception):
    """Something NeuroRail says itself, with the code that says what."""

    def __init__(self, code: str, reason: str) -> None:
        """Make one.

        Args:
            code: For example `NR-E002`; the registry is `neurorail.semconv.errors.CODES`.
            reason: One sentence for people.
        """
        super().__init__(f"{reason} ({code})")
        self.code = code
        self.reason = reason

    @property
    def category(self) -> str:
        """MECHANICAL, SYSTEM or ETHICAL."""
        return category(self.code)

    @property
    def retriable(self) -> bool:
        """Whether trying again can help."""
        return retriable(self.code)

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions travel between processes, for example out of a ProcessPoolExecutor.
        return (_rebuild, (type(self), self.__dict__, self.args))


def _rebuild(
    kind: type[NeuroRailError], fields: dict[str, object], arguments: tuple[object, ...]
) -> NeuroRailError:
    error = kind.__new__(kind)
    error.args = arguments
    error.__dict__.update(fields)
    return error


class NeuroRailRefused(NeuroRailError):
    """A governed call was not made, or work was cancelled: nothing went over the network."""

    raised: ClassVar[int] = 0
    """How many were made in this process."""

    def __init__(
        self,
        code: str,
        reason: str,
        *,
        rule: str = "",
        scope: str = "",
        retry_after_ms: int | None = None,
        cancelled: bool = False,
    ) -> None:
        """Make one.

        Args:
            code: Why, as a code.
            reason: Why, for people.
            rule: The rule, pool or circuit that refused.
            scope: What it holds for: an entity's id, or a name such as `model=gpt-4o`.
            retry_after_ms: Trying sooner is pointless; None when nobody knows.
            cancelled: Whether running work is to end, rather than one call not to be made.
        """
        super().__init__(code, reason)
        NeuroRailRefused.raised += 1
        self.rule = rule
        self.scope = scope
        self.retry_after_ms = retry_after_ms
        self.cancelled = cancelled


class NeuroRailFailed(NeuroRailError):
    """`run` or `arun` gave no result. `__cause__` is your function's own exception, if any."""

    def __init__(self, code: str, reason: str, *, attempts: int) -> None:
        """`attempts` is how many were made."""
        super().__init__(code, reason)
        self.attempts = attempts


def error_code(error: BaseException) -> str:
    """The code of an exception: its own, or what the exceptions of clients and servers mean.

    Returns:
        A code; empty when the exception says nothing about the outside world, as `ValueError` does.
    """
    own = getattr(error, "code", None)
    if isinstance(error, NeuroRailError):
        return error.code
    if isinstance(own, str) and own.startswith("NR-E"):
        return own
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return UPSTREAM_UNAVAILABLE if status >= 500 or status in _RETRY_STATUS else ""
    if isinstance(error, ConnectionError | TimeoutError) or _is_connection_error(error):
        return UPSTREAM_UNAVAILABLE
    if isinstance(error, json.JSONDecodeError):
        return BAD_RESPONSE
    return ""


def _is_connection_error(error: BaseException) -> bool:
    """Whether an HTTP library's own class says that nobody answered; they share no base."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return not names.isdisjoint({"APIConnectionError", "TransportError", "RequestError"})
