"""Settings that a running server takes over from its file, and the names of those it cannot."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from neurorail.api.access import Access
from neurorail.app.config import Config
from neurorail.app.own_rules import OwnRules

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration as it was read at the start, and how it is read anew."""

    begun: Config
    reread: Callable[[], Config]
    """From the same file, variables and options. Raises ConfigError."""


class LiveSettings:
    """The settings that hold, and what takes over those that can change.

    Args:
        settings: where they come from.
        applied: by the dotted name of a setting, what takes it over.
    """

    def __init__(self, settings: Settings, applied: Mapping[str, Callable[[Config], None]]) -> None:
        self._holds = _flat(settings.begun.model_dump())
        self._reread = settings.reread
        self._applied = applied

    def reload(self) -> None:
        """Take over what can be, and say what cannot.

        Raises:
            ConfigError: the file cannot be read, or does not hold; nothing changed.
        """
        config = self._reread()
        fresh = _flat(config.model_dump())
        names = sorted(fresh.keys() | self._holds.keys())
        changed = [name for name in names if fresh.get(name) != self._holds.get(name)]
        for name in changed:
            if name in self._applied:
                self._applied[name](config)
                self._holds[name] = fresh[name]
                _log.info("%s is as the file says now", name)
        waiting = [name for name in changed if name not in self._applied]
        if waiting:
            _log.warning("%s cannot change while the server runs: restart it", ", ".join(waiting))


def live_settings(settings: Settings, access: Access, rules: OwnRules) -> LiveSettings:
    """What of a server's settings can change while it runs."""

    def take_rate(config: Config) -> None:
        access.requests_per_s = config.access.requests_per_s

    return LiveSettings(
        settings,
        {
            "access.requests_per_s": take_rate,
            "content.deny_keys": rules.take,
            "content.deny_patterns": rules.take,
            "log.level": take_level,
        },
    )


def take_level(config: Config) -> None:
    """Say as much as is set."""
    logging.getLogger().setLevel(config.log.level.upper())


def _flat(values: Mapping[str, Any], within: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{within}{name}.")
        else:
            found[within + name] = value
    return found
