"""Merkle trees as in RFC 6962: the root of many hashes, and short proofs that one is in it."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256


def leaf(value: bytes) -> bytes:
    """The leaf of a value."""
    return sha256(b"\x00" + value).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Root:
    """The root of a growing list of values; holds one hash a level."""

    def __init__(self) -> None:
        self._levels: list[tuple[int, bytes]] = []
        self.count = 0

    def add(self, value: bytes) -> None:
        """Add the next value."""
        height, current = 0, leaf(value)
        while self._levels and self._levels[-1][0] == height:
            current = _node(self._levels.pop()[1], current)
            height += 1
        self._levels.append((height, current))
        self.count += 1

    def digest(self) -> bytes:
        """The root; of no values, the hash of nothing."""
        if not self._levels:
            return sha256(b"").digest()
        current = self._levels[-1][1]
        for _, left in reversed(self._levels[:-1]):
            current = _node(left, current)
        return current


class Tree:
    """The whole tree over values, for proofs of several of them."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self._levels = [[leaf(value) for value in values]]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            paired = [_node(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)]
            if len(below) % 2:
                paired.append(below[-1])
            self._levels.append(paired)

    def path(self, place: int) -> list[bytes]:
        """The hashes that lead from the value at `place` to the root, nearest first.

        Raises:
            IndexError: there is no such value.
        """
        if not 0 <= place < len(self._levels[0]):
            raise IndexError(f"there are {len(self._levels[0])} values, and none at {place}")
        steps: list[bytes] = []
        for level in self._levels[:-1]:
            sibling = place ^ 1
            if sibling < len(level):
                steps.append(level[sibling])
            place //= 2
        return steps


def root_from(value: bytes, place: int, count: int, steps: Sequence[bytes]) -> bytes:
    """The root that a proof leads to.

    Raises:
        ValueError: the proof has too few or too many steps for that place.
    """
    current, left = leaf(value), list(steps)
    while count > 1:
        if place % 2 or place + 1 < count:
            if not left:
                raise ValueError("the proof has too few steps")
            sibling = left.pop(0)
            current = _node(sibling, current) if place % 2 else _node(current, sibling)
        place, count = place // 2, (count + 1) // 2
    if left:
        raise ValueError("the proof has too many steps")
    return current
