"""Replay: the records of an inbox give the same events again, in whatever process."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.collector.engine import replaying as replay_module
from tests.collector.engine.replaying import Replay, Replayed, pages
from tests.collector.engine.support import decode, envelope_of, epoch, record, running
from tests.rules.scenario import BASE, SECOND
from tests.simulation.workload import make

from neurorail.collector.decode import decode_observations, encode_observations
from neurorail.collector.engine import applier as applier_module
from neurorail.collector.envelope import Envelope
from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import ApplyError
from neurorail.rules.observations import PricesLoaded

CONFIG = EngineConfig(entities_in_memory=5)


@pytest.mark.parametrize("seed", [3, 17])
def test_replay_ends_where_the_live_engine_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(applier_module, "FLUSH_DIRTY_MAX", 10)
    monkeypatch.setattr(replay_module, "FLUSH_DIRTY_MAX", 10)
    with running(tmp_path, CONFIG) as rail:
        rail.put(epoch())
        for received, batch in make(seed).batches():
            rail.clock.now_unix_nano = max(rail.clock.now_unix_nano, received)
            rail.put(record(*batch))
        rail.applier.stop()  # A tick may have been appended that it did not apply any more.
        live = rail.journal.progress
        lines: list[bytes] = []
        applied = rail.inbox.read(0, 1 << 20, 1 << 30)[: rail.applier.seq]
        replayed = Replay(decode, CONFIG, lines.extend).run(Records(applied))
        assert replayed.last_seq == rail.applier.seq
        assert replayed.events == live.events == len(lines)
        assert replayed.digest == live.digest.hex()
        assert replayed.audit_hash == live.audit.hex()
        raw = b"".join(batch_.lines for batch_ in rail.journal.unarchived())
        assert raw.splitlines() == lines


def test_another_configuration_ends_elsewhere() -> None:
    envelopes = [envelope_of(1, epoch(), BASE)]
    for place, (received, batch) in enumerate(make(5).batches()):
        envelopes.append(envelope_of(place + 2, record(*batch), received))
    same = [run(envelopes, CONFIG) for _ in range(2)]
    assert same[0] == same[1]
    assert run(envelopes, EngineConfig(billing_memory_days=0)) != same[0]


class Records:
    """An inbox made of a list."""

    def __init__(self, envelopes: list[Envelope]) -> None:
        self.envelopes = envelopes

    def read(self, after_seq: int, max_records: int, max_bytes: int) -> list[Envelope]:
        return [one for one in self.envelopes if one.seq > after_seq][:2]


def run(envelopes: list[Envelope], config: EngineConfig) -> Replayed:
    return Replay(decode, config).run(Records(envelopes))


def test_a_failing_observation_fails_again_in_replay() -> None:
    poison = PricesLoaded("v", "ab", b"no json")
    create = {"log": "create", "ids": ["m_1"], "time": 0}
    envelopes = [
        envelope_of(1, epoch(), BASE),
        envelope_of(2, record(poison, create, poison), BASE + SECOND),
    ]
    lines: list[bytes] = []
    replayed = Replay(decode, CONFIG, lines.extend).run(Records(envelopes))
    assert replayed.events == 4
    with pytest.raises(ApplyError):
        Replay(decode, CONFIG).apply(envelopes[1])


def test_pages_reach_the_end() -> None:
    envelopes = [envelope_of(seq, epoch(), BASE + seq) for seq in range(1, 6)]
    assert list(pages(Records(envelopes), 1)) == envelopes[1:]


def test_observations_come_back_from_their_bytes() -> None:
    for _, batch in make(9).batches():
        assert decode_observations(encode_observations(batch)) == batch
