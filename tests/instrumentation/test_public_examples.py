"""Every public function has an example, and the examples run."""

from __future__ import annotations

import doctest
import importlib
from typing import Any

import pytest
from tests.instrumentation.conftest import Told

import neurorail.instrumentation as public

NO_CALL = {name for name in public.__all__ if name[0].isupper()}


def functions() -> list[str]:
    """Public names that are called."""
    return [name for name in public.__all__ if name not in NO_CALL]


def test_public_names_are_sorted_and_there() -> None:
    assert public.__all__ == sorted(public.__all__)
    assert all(hasattr(public, name) for name in public.__all__)


@pytest.mark.parametrize("name", functions())
def test_the_example_runs(name: str, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    function: Any = getattr(public, name)
    module = importlib.import_module(function.__module__)
    # What sets up or ends the whole process is tried elsewhere, in processes of its own.
    given = {name: getattr(public, name) for name in public.__all__} | vars(module)
    if name in {"configure", "shutdown"}:
        given[name] = lambda **_: None
    tests = doctest.DocTestFinder(recurse=False).find(function, name, module, given)
    assert tests[0].examples, f"{name} has no example"
    for test in tests:
        results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
        assert results.failed == 0
