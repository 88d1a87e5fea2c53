"""A replay that begins at a stored state gives the very events that follow."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.collector.rerun.history import keep_events, keep_records, live_with_state

from neurorail.collector.engine import applier as applier_module
from neurorail.collector.engine import journal as journal_module
from neurorail.collector.rerun import states
from neurorail.collector.rerun.exact import NoState, replay
from neurorail.collector.rerun.states import StoredState, keep_state, stored_states
from neurorail.collector.store.store import Store
from neurorail.rules.config import EngineConfig

CONFIG = EngineConfig(entities_in_memory=5, idle_ms=300_000)
TAKEN_UNIX_NANO = 1_800_000_000_000_000_000


@pytest.fixture(autouse=True)
def flushed_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applier_module, "FLUSH_DIRTY_MAX", 10)
    monkeypatch.setattr(applier_module, "FLUSH_DIRTY_ASKED", 10)


@pytest.mark.parametrize("seed", [3, 11])
def test_replay_from_a_state_that_was_copied_while_the_engine_went_on(
    tmp_path: Path, store: Store, node: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(journal_module, "COPY_PAGES", 2)
    monkeypatch.setattr(states, "PART_BYTES", 10_000)
    envelopes, lines, seq = live_with_state(tmp_path / "live", node, CONFIG, seed)
    assert 1 < seq < envelopes[-1].seq
    keep_records(store, node, [one for one in envelopes if one.seq > seq])
    keep_events(store, node, lines)
    keep_state(store, node, seq, tmp_path / "live" / "copy.db", CONFIG, TAKEN_UNIX_NANO)
    assert stored_states(store, node) == [StoredState(seq, CONFIG)]
    report = replay(store, node, tmp_path, after_seq=seq)
    assert report is not None
    assert report.equal
    assert report.events > 10
    assert report.after_seq == seq


def test_state_that_is_not_there(tmp_path: Path, store: Store, node: str) -> None:
    envelopes, _, seq = live_with_state(tmp_path / "live", node, CONFIG, 3)
    keep_records(store, node, envelopes)
    keep_state(store, node, seq, tmp_path / "live" / "copy.db", CONFIG, TAKEN_UNIX_NANO)
    with pytest.raises(NoState, match=f"no state is stored after record 1; there are: {seq}"):
        replay(store, node, tmp_path, after_seq=1)
