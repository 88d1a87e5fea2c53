"""What stands behind the receivers in their tests: an inbox in memory and counting metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from neurorail.collector.envelope import Kind, Signal, Stamp, Submission

KEY = b"a key of thirty-two bytes length"


class MemoryInbox:
    """Keeps submissions in a list; raises what it is told to raise."""

    def __init__(self) -> None:
        self.appends: list[list[Submission]] = []
        self.error: Exception | None = None

    @property
    def submissions(self) -> list[Submission]:
        return [submission for append in self.appends for submission in append]

    @property
    def telemetry(self) -> list[Submission]:
        return [s for s in self.submissions if s.kind is Kind.TELEMETRY]

    async def append(self, submissions: Sequence[Submission]) -> list[Stamp]:
        if self.error is not None:
            raise self.error
        first = len(self.submissions) + 1
        self.appends.append(list(submissions))
        return [Stamp(seq, seq) for seq in range(first, first + len(submissions))]


class CountingMetrics:
    """Counts every call by its arguments."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, Signal, str]] = Counter()

    def _add(self, name: str, signal: Signal, transport: str, amount: int) -> None:
        self.counts[name, signal, transport] += amount

    def accepted(self, signal: Signal, transport: str, items: int) -> None:
        self._add("accepted", signal, transport, items)

    def refused(self, signal: Signal, transport: str, items: int) -> None:
        self._add("refused", signal, transport, items)

    def failed(self, signal: Signal, transport: str, items: int) -> None:
        self._add("failed", signal, transport, items)

    def request(self, signal: Signal, transport: str, outcome: str) -> None:
        self._add(f"request {outcome}", signal, transport, 1)

    def utf8_repaired(self, signal: Signal, transport: str, strings: int) -> None:
        self._add("repaired", signal, transport, strings)

    def redacted(self, signal: Signal, transport: str, values: int) -> None:
        self._add("redacted", signal, transport, values)
