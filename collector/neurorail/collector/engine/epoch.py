"""Beginning an epoch: a new engine version, configuration or price table is a record first."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from neurorail.collector.decode.system import EpochRecord, PricesRecord, encode_system
from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.prices import PriceFile
from neurorail.rules.config import EngineConfig

_FILE = "epoch.json"


class EpochState(msgspec.Struct, frozen=True):
    """What the current epoch was begun with."""

    epoch: int = 0
    node: str = ""
    engine_version: str = ""
    config: dict[str, int] = {}
    prices_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Beginning:
    """The records that begin an epoch, and what to remember once they are durable."""

    submissions: Sequence[Submission]
    state: EpochState


def beginning(
    directory: Path, node: str, engine_version: str, config: EngineConfig, prices: PriceFile
) -> Beginning:
    """Compare with the last start; no submissions when nothing changed."""
    before = _read(directory)
    settings = asdict(config)
    same = (
        before.node == node
        and before.engine_version == engine_version
        and before.config == settings
        and before.prices_sha256 == prices.sha256
    )
    if same:
        return Beginning((), before)
    state = EpochState(before.epoch + 1, node, engine_version, settings, prices.sha256)
    epoch = EpochRecord(
        state.epoch, node, engine_version, msgspec.Raw(msgspec.json.encode(settings))
    )
    table = PricesRecord(prices.version, prices.sha256, msgspec.Raw(prices.json))
    return Beginning((_system(encode_system(epoch)), _system(encode_system(table))), state)


def remember(directory: Path, state: EpochState) -> None:
    """Keep what the epoch was begun with; call after its records are durable."""
    part = directory / f"{_FILE}.part"
    part.write_bytes(msgspec.json.encode(state))
    os.replace(part, directory / _FILE)


def _read(directory: Path) -> EpochState:
    try:
        return msgspec.json.decode((directory / _FILE).read_bytes(), type=EpochState)
    except (FileNotFoundError, msgspec.DecodeError):
        return EpochState()


def _system(body: bytes) -> Submission:
    return Submission(Kind.SYSTEM, Signal.NONE, body, principal="server", encoding="json")
