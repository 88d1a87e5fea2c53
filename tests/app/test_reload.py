"""What SIGHUP takes over from the configuration file, and what it says of the rest."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from neurorail.app.config import Config
from neurorail.app.config_load import ConfigError, load
from neurorail.app.reload import LiveSettings, Settings, take_level


class Taking:
    """Settings in a file, and a part that takes over the rate."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "neurorail.yaml"
        self.write({})
        self.taken: list[int] = []
        self.live = LiveSettings(
            Settings(load(self.file), lambda: load(self.file)),
            {"access.requests_per_s": self._take, "log.level": take_level},
        )

    def write(self, sections: dict[str, object]) -> None:
        self.file.write_text(json.dumps(sections))

    def _take(self, config: Config) -> None:
        self.taken.append(config.access.requests_per_s)


@pytest.fixture
def taking(tmp_path: Path) -> Taking:
    return Taking(tmp_path)


def test_what_can_change_changes_once(taking: Taking) -> None:
    taking.write({"access": {"requests_per_s": 7}})
    taking.live.reload()
    taking.live.reload()
    assert taking.taken == [7]
    taking.write({})
    taking.live.reload()
    assert taking.taken == [7, 1_000]


def test_what_cannot_change_is_named_until_the_file_has_it_as_it_was(
    taking: Taking, caplog: pytest.LogCaptureFixture
) -> None:
    taking.write({"api": {"address": "127.0.0.1:1"}})
    for _ in range(2):
        caplog.clear()
        taking.live.reload()
        assert "api.address cannot change while the server runs: restart it" in caplog.text
    taking.write({})
    caplog.clear()
    taking.live.reload()
    assert caplog.text == ""
    assert taking.taken == []


def test_a_file_that_does_not_hold_changes_nothing(taking: Taking) -> None:
    taking.write({"access": {"requests_per_s": 7}, "apt": {}})
    with pytest.raises(ConfigError, match="apt"):
        taking.live.reload()
    assert taking.taken == []


def test_the_level_of_the_log_changes(taking: Taking) -> None:
    root = logging.getLogger()
    before = root.level
    try:
        taking.write({"log": {"level": "error"}})
        taking.live.reload()
        assert root.level == logging.ERROR
    finally:
        root.setLevel(before)
