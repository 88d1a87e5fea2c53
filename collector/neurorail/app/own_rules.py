"""The operator's rules of what is not stored, where they are needed; they may change."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from neurorail.app.config import Config
from neurorail.app.wiring import attribute_rules
from neurorail.collector.envelope import Submission
from neurorail.collector.otlp.admission import Admission
from neurorail.collector.otlp.record_rules import cleaned


class OwnRules:
    """What the configuration says now. Used from any thread, changed on the event loop.

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

    def record(self, record: Submission) -> Submission:
        """A record without what the rules name."""
        rules = self.current
        return record if rules is None else cleaned(rules, record)

    def json(self, value: Any) -> Any:
        """A JSON value of a client without what the rules name."""
        rules = self.current
        return value if rules is None else rules.json(value)

    def text(self, text: str) -> str:
        """A text without what the patterns match."""
        rules = self.current
        return text if rules is None else rules.text(text)

    def line_denied(self, text: str) -> int | None:
        """The first line of a text in which a pattern matches."""
        rules = self.current
        return None if rules is None else rules.line_denied(text)


class _CleanFormatter(logging.Formatter):
    """Formats as another does, without what the rules name: a log can quote anybody."""

    def __init__(self, formatter: logging.Formatter, rules: OwnRules) -> None:
        super().__init__()
        self._formatter = formatter
        self._rules = rules

    def format(self, record: logging.LogRecord) -> str:
        """The line, and the traceback under it."""
        return self._rules.text(self._formatter.format(record))


@contextmanager
def clean_logs(rules: OwnRules) -> Iterator[None]:
    """Let the process's log say nothing that the rules name, as long as this lasts."""
    before = [(handler, handler.formatter) for handler in logging.getLogger().handlers]
    for handler, formatter in before:
        handler.setFormatter(_CleanFormatter(formatter or logging.Formatter(), rules))
    try:
        yield
    finally:
        for handler, formatter in before:
            handler.setFormatter(formatter)
