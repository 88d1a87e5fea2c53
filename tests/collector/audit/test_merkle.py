"""Merkle trees: the roots of RFC 6962, and proofs that lead to them and nowhere else."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorail.collector.audit.merkle import Root, Tree, leaf, root_from

values = st.lists(st.binary(min_size=1, max_size=8), min_size=1, max_size=70)


def root_of(several: list[bytes]) -> bytes:
    root = Root()
    for value in several:
        root.add(value)
    return root.digest()


def by_definition(several: list[bytes]) -> bytes:
    """The definition of RFC 6962, word for word."""
    if len(several) == 1:
        return sha256(b"\x00" + several[0]).digest()
    split = 1
    while split * 2 < len(several):
        split *= 2
    left, right = by_definition(several[:split]), by_definition(several[split:])
    return sha256(b"\x01" + left + right).digest()


@given(values)
def test_a_growing_root_is_that_of_the_definition(several: list[bytes]) -> None:
    assert root_of(several) == by_definition(several)


@given(values)
def test_every_value_is_proven_at_its_place_alone(several: list[bytes]) -> None:
    tree, root = Tree(several), root_of(several)
    for place, value in enumerate(several):
        path = tree.path(place)
        assert root_from(value, place, len(several), path) == root
        assert root_from(value + b"x", place, len(several), path) != root


def test_a_proof_of_the_wrong_length_is_none() -> None:
    several = [b"a", b"b", b"c"]
    path = Tree(several).path(0)
    with pytest.raises(ValueError, match="too few"):
        root_from(b"a", 0, 3, path[:-1])
    with pytest.raises(ValueError, match="too many"):
        root_from(b"a", 0, 3, [*path, leaf(b"d")])
    with pytest.raises(IndexError, match="none at 3"):
        Tree(several).path(3)


def test_the_root_of_nothing() -> None:
    assert Root().digest() == sha256(b"").digest()
