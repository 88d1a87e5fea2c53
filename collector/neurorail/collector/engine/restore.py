"""An engine as the journal last had it."""

from __future__ import annotations

import gc
from collections.abc import Callable

from neurorail.collector.engine.journal import Flushed
from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import Engine
from neurorail.rules.state import Row


def restored(
    config: EngineConfig, flushed: Callable[[], Flushed], load: Callable[[str], Row | None]
) -> Engine:
    """An engine with the state that was flushed last; entities are read, by `load`, when named.

    Nothing that is made meanwhile is garbage: looking for some would take a third of the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        engine = Engine(config, load)
        state = engine.state
        found = flushed()
        if found.meta is not None:
            state.restore_meta(found.meta, found.prices_json)
        state.restore_deadlines(found.deadlines)
        for key, row, touched in found.traces:
            state.restore_trace(key, row, touched)
        state.kept.restore(found.kept)
        return engine
    finally:
        if collecting:
            gc.enable()
