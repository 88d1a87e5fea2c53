"""An epoch begins when the engine, its configuration or its prices change, and only then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.collector.engine.support import NODE

from neurorail.collector.decode import Decoder
from neurorail.collector.engine.epoch import Beginning, beginning, remember
from neurorail.collector.envelope import SCHEMA_VERSION, Envelope, Kind, Signal
from neurorail.collector.prices import PriceFile
from neurorail.rules.config import EngineConfig
from neurorail.rules.observations import EpochStarted, Observation, PricesLoaded

PRICES = PriceFile("v1", "ab" * 32, b'{"format":1,"version":"v1","providers":[]}')
CONFIG = EngineConfig()


def observed(begun: Beginning) -> list[Observation]:
    decoder = Decoder()
    found: list[Observation] = []
    for seq, one in enumerate(begun.submissions):
        assert (one.kind, one.signal, one.encoding) == (Kind.SYSTEM, Signal.NONE, "json")
        envelope = Envelope(seq + 1, one.kind, one.signal, one.encoding, seq, one.tenant,
                            one.principal, SCHEMA_VERSION, one.body)  # fmt: skip
        found += decoder.decode(envelope)
    return found


def test_first_start_begins_an_epoch_with_its_configuration_and_prices(tmp_path: Path) -> None:
    begun = beginning(tmp_path, NODE, "1.0", CONFIG, PRICES)
    epoch, prices = observed(begun)
    assert isinstance(epoch, EpochStarted)
    assert (epoch.epoch, epoch.node, epoch.engine_version) == (1, NODE, "1.0")
    assert '"lateness_ms":10000' in epoch.config_json
    assert prices == PricesLoaded("v1", "ab" * 32, PRICES.json)


def test_nothing_begins_when_nothing_changed_and_it_was_remembered(tmp_path: Path) -> None:
    first = beginning(tmp_path, NODE, "1.0", CONFIG, PRICES)
    # The records may not have become durable: until then it begins again.
    assert beginning(tmp_path, NODE, "1.0", CONFIG, PRICES) == first
    remember(tmp_path, first.state)
    again = beginning(tmp_path, NODE, "1.0", CONFIG, PRICES)
    assert again.submissions == ()
    assert again.state == first.state


@pytest.mark.parametrize("change", ["node", "version", "config", "prices"])
def test_each_change_begins_the_next_epoch(tmp_path: Path, change: str) -> None:
    remember(tmp_path, beginning(tmp_path, NODE, "1.0", CONFIG, PRICES).state)
    begun = beginning(
        tmp_path,
        "n2" if change == "node" else NODE,
        "1.1" if change == "version" else "1.0",
        replace(CONFIG, idle_ms=1) if change == "config" else CONFIG,
        replace(PRICES, sha256="cd" * 32) if change == "prices" else PRICES,
    )
    epoch, _ = observed(begun)
    assert isinstance(epoch, EpochStarted)
    assert epoch.epoch == 2


def test_a_damaged_memory_of_it_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "epoch.json").write_bytes(b"{half")
    assert beginning(tmp_path, NODE, "1.0", CONFIG, PRICES).state.epoch == 1
