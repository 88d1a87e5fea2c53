"""An engine as the journal last had it."""

from __future__ import annotations

import gc

from neurorail.collector.engine.journal import Journal
from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import Engine


def restored(config: EngineConfig, journal: Journal) -> Engine:
    """An engine with the state that was flushed last; entities are read when they are named.

    Nothing that is made meanwhile is garbage: looking for some would take a third of the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        flushed = journal.flushed()
        engine = Engine(config, journal.load)
        state = engine.state
        if flushed.meta is not None:
            state.restore_meta(flushed.meta, flushed.prices_json)
        state.restore_deadlines(flushed.deadlines)
        for key, row, touched in flushed.traces:
            state.restore_trace(key, row, touched)
        state.kept.restore(flushed.kept)
        return engine
    finally:
        if collecting:
            gc.enable()
