"""What is wrong with a manifest: where, what, and which name was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from yaml import Node

FAULTS_MAX = 100
"""Faults that are listed; a file that has more is something else than a manifest."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong."""

    line: int
    """From 1."""
    column: int
    """From 1."""
    path: str
    """Where in the document: `pools[0].window`; empty for the document itself."""
    message: str

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{self.line}:{self.column}: {where}{self.message}"


class ManifestInvalid(ValueError):
    """A document is no manifest (NR-E110); says everything that is wrong with it."""

    code = "NR-E110"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


class Faults:
    """Collects faults, in the order of the document."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def add(self, node: Node, path: str, message: str) -> None:
        """Something is wrong with a part of the document."""
        mark = node.start_mark
        self.add_at(mark.line + 1, mark.column + 1, path, message)

    def add_at(self, line: int, column: int, path: str, message: str) -> None:
        """Something is wrong at a place."""
        if len(self.found) < FAULTS_MAX:
            self.found.append(Fault(line, column, path, message))

    def raise_any(self) -> None:
        """Raise what was found.

        Raises:
            ManifestInvalid: there is a fault.
        """
        if self.found:
            raise ManifestInvalid(sorted(self.found, key=lambda one: (one.line, one.column)))


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint at the name that was probably meant, else at all of them."""
    known = list(dict.fromkeys(names))
    near = get_close_matches(name, known, 1, 0.6) or get_close_matches(
        name.lower().replace("-", "_"), known, 1, 0.6
    )
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known are {', '.join(known)}" if known else "nothing is known here"


def unknown(what: str, name: str, names: Iterable[str]) -> str:
    """The message about a name that is unknown."""
    return f"unknown {what} {name!r}; {nearest(name, names)}"
