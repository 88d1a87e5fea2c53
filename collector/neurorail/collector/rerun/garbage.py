"""Looking for garbage seldom, while a long history is run through engines."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

THRESHOLD: Final = (200_000, 20, 100)
"""New objects before the young ones are looked at, and how often the older ones are: an engine
holds very many objects and makes no cycles of them, so that looking often finds nothing."""


@contextmanager
def seldom_looked_for() -> Iterator[None]:
    """Let the collector leave alone what is there already, and look at the rest seldom."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
