"""An engine over stored records, as the server drives it: flushed, forgetful, total.

State that memory does not hold is in a file of its own, so that a long history needs little memory.
An observation that raises is treated as it was when it happened: the engine goes back to its last
flush, and the observation becomes a `record_failed` event.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from neurorail.collector.decode import decode_observations
from neurorail.collector.engine.journal import Flushed, Journal
from neurorail.collector.engine.restore import restored
from neurorail.collector.envelope import Envelope
from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import ApplyError, Engine
from neurorail.rules.events import Event
from neurorail.rules.observations import EpochStarted, Observation
from neurorail.rules.state import Row

FLUSH_DIRTY: Final = 50_000
"""Changed objects at which state is flushed: as many as memory holds beside those it may keep."""
SINCE_FLUSH_MAX: Final = 20_000
"""Records kept to be applied again when one of them raises."""

RERUN_FILE: Final = "rerun.db"

Change = Callable[[list[Observation]], list[Observation]]


class Rerun:
    """Feed it records in order.

    Args:
        folder: Where its file is made; a snapshot's file may be there already.
        config: What the engine is told until a record says otherwise.
        change: What is made of a record's observations before they are applied.
        begun: Called with each engine that is made, before it is used.
    """

    def __init__(
        self,
        folder: Path,
        config: EngineConfig,
        change: Change = lambda observations: observations,
        begun: Callable[[Engine], None] = lambda engine: None,
    ) -> None:
        self._journal = Journal(folder / RERUN_FILE)
        self._journal.open()
        self._config = config
        self._change = change
        self._begun = begun
        self._failed: dict[int, dict[int, str]] = {}
        self._since: list[Envelope] = []
        self.observations = 0
        """Observations applied so far."""
        self.repeating = False
        """Whether records are applied again that were applied before."""
        self._memory_has_all = False
        """Whether the file holds nothing that memory does not: then it need not be asked."""
        self._restore()

    def close(self) -> None:
        """Close its file."""
        self._journal.close()

    def apply(
        self, envelope: Envelope, observations: list[Observation] | None = None
    ) -> list[Event]:
        """Apply one record and return its events.

        Args:
            envelope: The record.
            observations: What it says, where that was decoded before.
        """
        if observations is None:
            observations = decode_observations(envelope.body)
        if isinstance(observations[0] if observations else None, EpochStarted):
            self._begin_epoch(observations[0])
        while True:
            try:
                events = self._apply(envelope, observations)
                break
            except ApplyError as error:
                self._failed.setdefault(envelope.seq, {})[error.index] = error.cause
                self._start_over()
                observations = decode_observations(envelope.body)
        self.observations += len(observations)
        self._since.append(envelope)
        if self.engine.state.dirty >= FLUSH_DIRTY or len(self._since) >= SINCE_FLUSH_MAX:
            self._flush()
        return events

    def _apply(self, envelope: Envelope, observations: list[Observation]) -> list[Event]:
        engine = self.engine
        observations = self._change(observations)
        if not self._memory_has_all:
            wanted = engine.wanted(envelope.tenant, observations)
            rows = self._journal.load_many(wanted) if wanted else {}
            for key in wanted:
                engine.supply(key, rows.get(key))
        return engine.apply(
            envelope.received_unix_nano,
            envelope.tenant,
            observations,
            self._failed.get(envelope.seq),
        )

    def _begin_epoch(self, seen: Any) -> None:
        """A server began anew, perhaps with another configuration."""
        config = config_of(seen.config_json)
        if config != self._config:
            self._flush()
            self._config = config
            self._restore()

    def _flush(self) -> None:
        state = self.engine.state
        forgotten = bool(state.cold_traces)
        self._journal.commit(
            b"", 0, 0, self._journal.progress, state.take_changes(), state.prices_json
        )
        evicted = state.evict()
        self._memory_has_all = self._memory_has_all and not (forgotten or evicted)
        self._since = []

    def _start_over(self) -> None:
        self._restore()
        self.repeating = True
        for envelope in self._since:
            self._apply(envelope, decode_observations(envelope.body))
        self.repeating = False

    def _load(self, key: str) -> Row | None:
        return None if self._memory_has_all else self._journal.load(key)

    def _restore(self) -> None:
        self.engine = restored(self._config, self._flushed, self._load)
        self._begun(self.engine)

    def _flushed(self) -> Flushed:
        """What was flushed; memory has everything where that is nothing."""
        flushed = self._journal.flushed()
        self._memory_has_all = flushed.meta is None
        return flushed


def config_of(config_json: str) -> EngineConfig:
    """The configuration that an epoch states; what this version does not know is left out."""
    stated: dict[str, Any] = json.loads(config_json or "{}")
    known = {one.name for one in fields(EngineConfig)}
    return EngineConfig(**{name: value for name, value in stated.items() if name in known})
