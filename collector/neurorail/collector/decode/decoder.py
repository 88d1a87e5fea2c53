"""Records to observations."""

from __future__ import annotations

from collections import Counter

from google.protobuf.message import DecodeError

from neurorail.collector.decode.commands import read_command
from neurorail.collector.decode.genai import GenAIReader
from neurorail.collector.decode.identity import IdReader
from neurorail.collector.decode.keys import build
from neurorail.collector.decode.logs import LogReader
from neurorail.collector.decode.spans import SpanReader
from neurorail.collector.decode.system import read_system
from neurorail.collector.decode.transitions import TransitionReader
from neurorail.collector.envelope import IMPORTED_ENCODING, Envelope, Kind, Signal
from neurorail.rules.observations import Observation, SpanObserved, Tick
from neurorail.semconv.genai import CURRENT, Mapping


class Decoder:
    """Turns a record into what the engine is told.

    The result depends on the record and on the mapping alone. Nothing here raises: what cannot be
    read is left out, and counted in `stats` by reason. One thread at a time.

    Args:
        mapping: The version of the foreign mapping to read by.
    """

    def __init__(self, mapping: Mapping = CURRENT) -> None:
        self.stats: Counter[str] = Counter()
        """What was left out, by reason."""
        table = build(mapping)
        ids = IdReader(self.stats)
        genai = GenAIReader(mapping, table, self.stats)
        transitions = TransitionReader(ids, genai, self.stats)
        self._spans = SpanReader(table, ids, genai, transitions, self.stats)
        self._logs = LogReader(table, ids, transitions, self.stats)

    def decode(self, envelope: Envelope) -> list[Observation]:
        """The observations of a record, in its order (the links of plain spans come first)."""
        match envelope.kind:
            case Kind.TELEMETRY:
                return self._telemetry(envelope)
            case Kind.COMMAND:
                return read_command(envelope.body, envelope.received_unix_nano, self.stats)
            case Kind.TICK:
                return [Tick()]
            case Kind.SYSTEM:
                return read_system(envelope.body, self.stats)

    def _telemetry(self, envelope: Envelope) -> list[Observation]:
        try:
            if envelope.signal == Signal.TRACES:
                found = self._spans.read(envelope.body, envelope.received_unix_nano)
                return found if envelope.encoding != IMPORTED_ENCODING else _history(found)
            if envelope.signal == Signal.LOGS:
                return self._logs.read(envelope.body, envelope.received_unix_nano)
        except DecodeError:
            self.stats["unreadable_record"] += 1
        return []


def _history(observations: list[Observation]) -> list[Observation]:
    """Observations of spans out of an archive."""
    for seen in observations:
        if isinstance(seen, SpanObserved):
            seen.history = True
    return observations
