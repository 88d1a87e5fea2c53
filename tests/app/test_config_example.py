from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from neurorail.app.config import Config
from neurorail.app.config_example import render
from neurorail.app.config_load import keys_at, load


def every_key(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found = set()
    for key, value in values.items():
        found.add((*above, key))
        if isinstance(value, Mapping):
            found |= every_key(value, (*above, key))
    return found


def expected_keys(above: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found = set()
    for key in keys_at(above):
        found.add((*above, key))
        found |= expected_keys((*above, key))
    return found


def test_example_is_what_the_classes_say(root: Path) -> None:
    published = (root / "deploy" / "neurorail.yaml").read_text(encoding="utf-8")
    assert published == render(), (
        "run: python -m neurorail.app.config_example > deploy/neurorail.yaml"
    )


def test_example_has_every_key_with_its_default(root: Path) -> None:
    file = root / "deploy" / "neurorail.yaml"
    assert load(file) == Config()
    example = yaml.safe_load(file.read_text(encoding="utf-8"))
    # Lists are empty by default: what stands in their items is told by the comment above them.
    in_items = {key for key in expected_keys() if key[:2] == ("alerts", "webhooks") and key[2:]}
    assert in_items, "the items of a list have keys"
    assert expected_keys() - in_items <= every_key(example)


def test_example_says_what_every_key_means(root: Path) -> None:
    lines = (root / "deploy" / "neurorail.yaml").read_text(encoding="utf-8").splitlines()
    bare = [
        line
        for above, line in itertools.pairwise(lines)
        if line.strip() and not line.lstrip().startswith("#") and not above.lstrip().startswith("#")
    ]
    # Tables of retention_days and names of roles explain themselves; the rest must be explained.
    allowed = {"otel_", "neurorail_", "batch_", "events_", "retry_", "admin", "operator", "viewer"}
    unexplained = [line for line in bare if not line.strip().startswith(tuple(allowed))]
    assert unexplained == []
