"""The table as one piece of canonical JSON, with its version and hash, kept in a file.

Making it from the package is slow (seconds), reading the file is not. The file is named after the
version of the package, so that an upgrade makes a new one.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class PriceFile:
    """A price table as it goes into a record."""

    version: str
    """What it was made from, for people: `genai-prices 0.2.3`, `… + 2 overrides`."""
    sha256: str
    """Of `json`, in hex."""
    json: bytes
    """Canonical: keys in sorted order, no spaces."""


def load_prices(directory: Path, overrides: Sequence[dict[str, Any]] = ()) -> PriceFile:
    """The table of the installed `genai-prices`, behind the user's overrides.

    The first call with a directory takes seconds and writes a file there; later ones read it.
    Blocking: not for the event loop.

    Args:
        directory: Where the file is kept; it is made if it is missing.
        overrides: What `read_overrides` returned.

    Raises:
        OSError: The directory cannot be written.
        subprocess.CalledProcessError: The data could not be exported.
    """
    name = f"genai-prices {version('genai-prices')}"
    file = directory / f"{name.replace(' ', '-')}.json"
    table = _read(file)
    if table is None or table.get("version") != name:
        directory.mkdir(parents=True, exist_ok=True)
        _export(file)
        table = msgspec.json.decode(file.read_bytes())
    if overrides:
        table["overrides"] = list(overrides)
        name = f"{name} + {len(overrides)} overrides"
        table["version"] = name
    encoded = msgspec.json.encode(table, order="sorted")
    return PriceFile(name, hashlib.sha256(encoded).hexdigest(), encoded)


def _read(file: Path) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _export(file: Path) -> None:
    # A process of its own: what the import leaves in memory goes away with it.
    subprocess.run(
        [sys.executable, "-m", "neurorail.collector.prices.export", str(file)],
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.DEVNULL,
    )
