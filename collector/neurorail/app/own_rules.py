"""The operator's rules of what is not stored, where they are needed; they may change."""

from __future__ import annotations

from neurorail.app.config import Config
from neurorail.app.wiring import attribute_rules
from neurorail.collector.envelope import Submission
from neurorail.collector.otlp.admission import Admission


class OwnRules:
    """What the configuration says now. Used on the event loop.

    Args:
        config: the configuration.
        key: of the hashes that take the place of values.
    """

    def __init__(self, config: Config, key: bytes) -> None:
        self._key = key
        self.current = attribute_rules(config, key)
        """None without any."""
        self.admission: Admission | None = None
        """Follows them for telemetry."""

    def take(self, config: Config) -> None:
        """Follow another configuration from here on."""
        self.current = attribute_rules(config, self._key)
        if self.admission is not None:
            self.admission.rules = self.current

    def clean(self, record: Submission) -> Submission:
        """A record of the API without what the rules name."""
        return record if self.current is None else self.current.command(record)
