"""What is wrong with an expression. Apart from `cel`, whose library is large and seldom needed."""

from __future__ import annotations


class InvalidExpression(ValueError):
    """An expression that cannot be used.

    Attributes:
        line: where in the expression, from 1.
        column: where in that line, from 1.
    """

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
