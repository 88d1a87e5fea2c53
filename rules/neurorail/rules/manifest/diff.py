"""In what two manifests differ: fields by their paths, rules by their ids, as people write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from neurorail.rules.manifest.model import Manifest
from neurorail.rules.manifest.written import written


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs; None where it is not there."""

    path: str
    before: Any
    after: Any


def diff(before: Manifest, after: Manifest) -> list[Change]:
    """The fields that differ, by path. A rule that is new or gone is one change."""
    found: list[Change] = []
    _compare(written(before), written(after), "", found)
    return found


def _compare(before: Any, after: Any, path: str, found: list[Change]) -> None:
    before, after = _by_id(before), _by_id(after)
    if isinstance(before, dict) and after == []:
        after = {}
    elif isinstance(after, dict) and before == []:
        before = {}
    # A condition is one thing; that a fact is absent is said by a null in it.
    condition = path.endswith(".when")
    if isinstance(before, dict) and isinstance(after, dict) and not condition:
        for name in sorted({*before, *after}):
            inner = f"{path}.{name}" if path else name
            _compare(before.get(name), after.get(name), inner, found)
    elif before != after:
        found.append(Change(path, before, after))


def _by_id(value: Any) -> Any:
    """A list of rules as a mapping by their ids."""
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        ids = [one.get("id") for one in value]
        if None not in ids:
            return dict(zip(ids, value, strict=True))
    return value
