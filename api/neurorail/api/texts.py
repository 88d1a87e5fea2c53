"""What of a client's texts may be kept: the operator's rules, as far as the API asks them.

Records pass the rules on their way into the inbox; here is what is kept elsewhere.
"""

from __future__ import annotations

from typing import Any, Protocol

from neurorail.api.problems import Problem


class Texts(Protocol):
    """The rules."""

    def json(self, value: Any) -> Any:
        """A JSON value without what may not be kept."""
        ...

    def text(self, text: str) -> str:
        """A text without what may not be kept."""
        ...

    def line_denied(self, text: str) -> int | None:
        """The first line that holds what may not be kept."""
        ...


class EveryText:
    """No rules: all may be kept."""

    def json(self, value: Any) -> Any:
        """The value itself."""
        return value

    def text(self, text: str) -> str:
        """The text itself."""
        return text

    def line_denied(self, text: str) -> int | None:
        """None."""


def must_be_storable(texts: Texts, field: str, text: str) -> None:
    """Raise a 422 problem if a text that is kept to the letter holds what may not be kept.

    A hash is made of it, so that nothing in it can be replaced; what it says is not repeated.
    """
    line = texts.line_denied(text)
    if line is not None:
        raise Problem(
            422, "denied-content",
            f"line {line} of {field} holds what content.deny_patterns keep from being stored",
            details={"field": field, "line": line},
        )  # fmt: skip
