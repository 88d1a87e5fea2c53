"""Stores the engine's state at a steady pace: a replay need not begin with the first record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from neurorail.app.config import Config
from neurorail.collector.engine.remote import EngineProcess
from neurorail.collector.rerun.states import keep_state
from neurorail.collector.store.store import Store

FILE: Final = "engine-state.db"


class EngineStates:
    """Copies the state of a running engine into ClickHouse each time its interval is over."""

    def __init__(
        self,
        engine: EngineProcess,
        store: Store,
        node: str,
        config: Config,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """An interval of 0 means never."""
        self._engine = engine
        self._store = store
        self._node = node
        self._config = config.engine
        self._file = Path(config.data_dir) / FILE
        self._interval_s = config.archive.state_interval_s
        self._next_s = float(self._interval_s)
        self._clock = clock
        self._kept_seq = 0

    async def take_if_due(self, now_s: float) -> None:
        """Store it if it is time; `now_s` is monotonic and begins near 0.

        Raises:
            Busy: the engine is not running.
            StoreError: it cannot be stored now; it is tried again when the next is due.
        """
        if not self._interval_s or now_s < self._next_s:
            return
        self._next_s = now_s + self._interval_s
        self._file.unlink(missing_ok=True)
        try:
            seq = await self._engine.copy_state(str(self._file))
            if seq != self._kept_seq:
                await asyncio.to_thread(self._keep, seq)
                self._kept_seq = seq
        finally:
            self._file.unlink(missing_ok=True)

    def _keep(self, seq: int) -> None:
        keep_state(self._store, self._node, seq, self._file, self._config, self._clock())
