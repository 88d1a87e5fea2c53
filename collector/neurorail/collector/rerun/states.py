"""The engine's state in ClickHouse: where a replay of stored history can begin."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import zstandard

from neurorail.collector.rerun.engine import config_of
from neurorail.collector.rerun.stored import Rows
from neurorail.rules.config import EngineConfig

if TYPE_CHECKING:
    from neurorail.collector.store.store import Store

PART_BYTES: Final = 4 << 20
_COLUMNS: Final = ("tenant", "node", "seq", "part", "parts", "taken", "config", "body")


@dataclass(frozen=True, slots=True)
class StoredState:
    """A state that is stored whole."""

    seq: int
    """The last record that it covers."""
    config: EngineConfig


def keep_state(
    store: Store, node: str, seq: int, file: Path, config: EngineConfig, taken_unix_nano: int
) -> None:
    """Store the file of a state.

    Raises:
        StoreError: it cannot be stored.
    """
    packed = zstandard.ZstdCompressor(level=3).compress(file.read_bytes())
    parts = range(0, len(packed), PART_BYTES)
    for place, at in enumerate(parts):
        body = packed[at : at + PART_BYTES]
        row = ("", node, seq, place, len(parts), taken_unix_nano, json.dumps(asdict(config)), body)
        store.insert("neurorail_engine_states", [row], _COLUMNS)


def stored_states(store: Rows, node: str) -> list[StoredState]:
    """The states of a node that are stored whole, oldest first."""
    rows = store.query_rows(
        "SELECT seq, any(config) FROM neurorail_engine_states WHERE node = {node:String} "
        "GROUP BY seq HAVING uniqExact(part) = any(parts) ORDER BY seq",
        {"node": node},
    )
    return [StoredState(row[0], config_of(row[1])) for row in rows]


def fetch_state(store: Rows, node: str, seq: int, file: Path) -> None:
    """Write the file of a state that is stored."""
    rows = store.query_rows(
        "SELECT base64Encode(any(body)) FROM neurorail_engine_states "
        "WHERE node = {node:String} AND seq = {seq:UInt64} GROUP BY part ORDER BY part",
        {"node": node, "seq": seq},
    )
    packed = b"".join(b64decode(row[0]) for row in rows)
    file.write_bytes(zstandard.ZstdDecompressor().decompress(packed))
