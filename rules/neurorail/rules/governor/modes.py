"""How calls run: directly, or on the rail."""

from __future__ import annotations

from collections.abc import Sequence

from neurorail.rules.manifest.model import MODES, RAIL, Manifest, ModeRule


def strictest_mode(policy: Manifest, matching: Sequence[ModeRule]) -> str:
    """The strictest mode that any matching rule says, else the manifest's default."""
    said = [rule.mode for rule in matching if rule.mode is not None]
    return max(said, key=MODES.index, default=policy.default_mode)


def may_be_rail(policy: Manifest) -> bool:
    """Whether any call at all may have to run on the rail."""
    return policy.default_mode == RAIL or any(rule.mode == RAIL for rule in policy.mode_rules)
