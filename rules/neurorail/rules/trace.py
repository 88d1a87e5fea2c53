"""What the engine remembers of one OpenTelemetry trace: parent links, chains and bills."""

from __future__ import annotations

from typing import Any

from neurorail.rules.observations import Ids

LINKS_MAX = 2_048
"""Parent links kept a trace; later ones are not kept and are counted."""


class Bill:
    """One call that was metered: whom it was charged to and how much.

    `counted` is false for a call that only repeats another one's numbers.
    """

    __slots__ = ("amounts", "counted", "ids", "operation", "response_id")

    def __init__(
        self, ids: Ids, operation: str, response_id: str | None, amounts: list[int], counted: bool
    ) -> None:
        self.ids = ids
        self.operation = operation
        self.response_id = response_id
        self.amounts = amounts
        self.counted = counted


class Trace:
    """The spans of one trace, as far as they matter for chains and for counting once."""

    __slots__ = (
        "bills",
        "chains",
        "derived",
        "key",
        "last_received",
        "links",
        "missing",
        "waiting",
    )

    def __init__(self, key: str) -> None:
        self.key = key
        self.links: dict[bytes, bytes] = {}
        """Span id → parent span id; empty for a root."""
        self.chains: dict[bytes, Ids] = {}
        """Span id → the chain ids that hold at and below that span."""
        self.bills: dict[bytes, Bill] = {}
        self.missing: dict[bytes, list[bytes]] = {}
        """Unknown span id → billed spans whose way up ends there."""
        self.waiting: list[list[Any]] = []
        """Spans that wait for an ancestor: `[due, span row]`, oldest first."""
        self.derived: dict[bytes, Ids] = {}
        """Leaf span id → the chain it was given for want of an ancestor."""
        self.last_received = 0

    def root_known(self, span_id: bytes) -> tuple[bool, bytes]:
        """Whether the way from `span_id` up to the root is known, and where it ends."""
        links = self.links
        current = span_id
        for _ in range(LINKS_MAX):
            parent = links.get(current)
            if parent is None:
                return False, current
            if not parent:
                return True, current
            current = parent
        return True, current

    def is_ancestor(self, ancestor: bytes, span_id: bytes) -> bool:
        """Whether `ancestor` lies on the known way up from `span_id`."""
        links = self.links
        current = links.get(span_id)
        for _ in range(LINKS_MAX):
            if not current:
                return False
            if current == ancestor:
                return True
            current = links.get(current)
        return False

    def nearest_chain(self, span_id: bytes) -> Ids | None:
        """The chain of the nearest known ancestor of `span_id` that has one."""
        links = self.links
        chains = self.chains
        current = links.get(span_id)
        for _ in range(LINKS_MAX):
            if not current:
                return None
            found = chains.get(current)
            if found is not None:
                return found
            current = links.get(current)
        return None

    def to_row(self) -> list[Any]:
        """The trace as plain values, for the state store."""
        return [
            b"".join(span + (parent or bytes(8)) for span, parent in self.links.items()),
            [[span, ids] for span, ids in self.chains.items()],
            [
                [span, bill.ids, bill.operation, bill.response_id, bill.amounts, bill.counted]
                for span, bill in self.bills.items()
            ],
            [[span, spans] for span, spans in self.missing.items()],
            self.waiting,
            [[span, ids] for span, ids in self.derived.items()],
            self.last_received,
        ]

    @staticmethod
    def from_row(key: str, row: list[Any]) -> Trace:
        """The trace that `to_row` wrote."""
        trace = Trace(key)
        links = row[0]
        for at in range(0, len(links), 16):
            parent = links[at + 8 : at + 16]
            trace.links[links[at : at + 8]] = b"" if parent == bytes(8) else parent
        trace.chains = {span: _ids(ids) for span, ids in row[1]}
        trace.bills = {
            span: Bill(_ids(ids), operation, response_id, list(amounts), counted)
            for span, ids, operation, response_id, amounts, counted in row[2]
        }
        trace.missing = {span: list(spans) for span, spans in row[3]}
        trace.waiting = [list(item) for item in row[4]]
        trace.derived = {span: _ids(ids) for span, ids in row[5]}
        trace.last_received = row[6]
        return trace


def _ids(values: list[str | None]) -> Ids:
    mission, plan, job, attempt, resource = values
    return (mission, plan, job, attempt, resource)
