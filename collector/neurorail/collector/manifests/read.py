"""A manifest from its YAML text, with time zones and prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurorail.collector.manifests.zones import zone_of
from neurorail.collector.prices import read_overrides
from neurorail.rules.manifest.load import load
from neurorail.rules.manifest.model import Manifest


def read_manifest(text: str) -> Manifest:
    """The manifest in a YAML text.

    Raises:
        ManifestInvalid: something is wrong; it lists everything that is.
    """
    return load(text, zone_of, _price)


def _price(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    (found,) = read_overrides([entry])
    return found
