"""The manifest that holds where nobody gave another one: part of the program, like its code."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from neurorail.rules.manifest.load import load
from neurorail.rules.manifest.model import Manifest


def shipped_text() -> str:
    """The shipped manifest as people read it."""
    return files("neurorail.rules.manifest").joinpath("default.yaml").read_text("utf-8")


@lru_cache(maxsize=1)
def shipped() -> Manifest:
    """The shipped manifest."""
    return load(shipped_text())
