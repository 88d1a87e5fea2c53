"""Files that are named on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from neurorail.app.commands.options import DOES_NOT_HOLD, fail

if TYPE_CHECKING:
    from neurorail.rules.manifest.model import Manifest


def read_file(file: Path) -> str:
    """The text of a file that was named on the command line."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise fail(f"{file} cannot be read: {error}") from None


def read_or_fail(file: Path) -> Manifest:
    """The manifest in a file; status 1 with its faults if it is none."""
    from neurorail.collector.manifests.read import read_manifest
    from neurorail.rules.manifest.faults import ManifestInvalid

    try:
        return read_manifest(read_file(file))
    except ManifestInvalid as error:
        faults = "\n".join(f"{file}:{fault}" for fault in error.faults)
        raise fail(faults, DOES_NOT_HOLD) from None
