"""What an engine makes of seeded work, a digest a line, for other processes to compare.

`python -m tests.simulation.digests SEED…`. A seed's work is told as telemetry, which is decoded,
decided under a manifest of every kind of rule, and written as events and state; and as
observations: of missions, and of requests to the governor.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from typing import Final

import msgspec
from bench.rules import hundred_rules
from bench.workload import Workload
from tests.simulation import asking, workload
from tests.simulation.driver import CONFIG, Driver, Memory, digest

from neurorail.collector.decode import Decoder, decode_observations, encode_observations
from neurorail.collector.engine.encoding import Heads, encode_events
from neurorail.collector.envelope import Envelope, Kind, Signal
from neurorail.rules.engine import Engine

SPANS: Final = 64
REQUESTS: Final = 20
RECORD_NS: Final = 50_000_000


def of_telemetry(seed: int) -> str:
    """Over the lines of all events and over the rows of the state."""
    memory = Memory()
    engine = Engine(CONFIG, memory.load)
    engine.state.manifests["default"] = hundred_rules()
    decoder = Decoder()
    heads, lines = Heads(), list[bytes]()
    requests = Workload(SPANS, seed=seed).requests(SPANS * REQUESTS, workload.BASE)
    for seq, request in enumerate(requests, 1):
        received = workload.BASE + seq * RECORD_NS
        envelope = Envelope(
            seq, Kind.TELEMETRY, Signal.TRACES, "otlp_proto", received, "default", "agents", 1,
            request.body, SPANS,
        )  # fmt: skip
        stored = encode_observations(decoder.decode(envelope))
        events = engine.apply(received, "default", decode_observations(stored))
        encode_events("node", 1, envelope, events, heads, lines)
        if seq % 7 == 0:
            memory.flush(engine)
            engine = memory.restored(CONFIG)
            engine.state.manifests["default"] = hundred_rules()
    memory.flush(engine)
    state = msgspec.msgpack.encode([sorted(memory.rows.items()), memory.meta])
    return sha256(heads.audit + heads.digest + state).hexdigest()


def main() -> None:
    """Print the digests of the seeds that are asked for."""
    for argument in sys.argv[1:]:
        seed = int(argument)
        told = [Driver().run(workload.make(seed)), Driver().run(asking.make(seed))]
        print(seed, of_telemetry(seed), *map(digest, told))


if __name__ == "__main__":
    main()
