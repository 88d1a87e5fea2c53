"""What the engine remembers of one OpenTelemetry trace: parent links, chains and bills."""

from __future__ import annotations

from typing import Any, Final

from neurorail.rules.observations import Ids

LINKS_MAX = 2_048
"""Parent links kept a trace; later ones are not kept and are counted."""

BILLS_MAX = 20_000
"""Calls remembered a trace; beyond it the oldest is forgotten and counted."""

WAITING_MAX = 1_000
"""Spans of a trace that may wait for an ancestor; a further one gets its own chain at once."""


About = tuple[str | None, ...]
NOTHING_KNOWN: Final[About] = (None, None, None, None, None)


class Bill:
    """One call that was metered: whom it was charged to and how much.

    `counted` is false for a call that only repeats another one's numbers. `about` is what usage is
    grouped by: provider, model, agent, service, tool. `governed` is what the governor charged for
    it, None for nothing.
    """

    __slots__ = ("about", "amounts", "counted", "governed", "ids", "operation", "response_id")

    def __init__(
        self,
        ids: Ids,
        operation: str,
        response_id: str | None,
        amounts: list[int],
        counted: bool,
        about: About = NOTHING_KNOWN,
    ) -> None:
        self.ids = ids
        self.operation = operation
        self.response_id = response_id
        self.amounts = amounts
        self.counted = counted
        self.about = about
        self.governed: list[Any] | None = None


class Trace:
    """The spans of one trace, as far as they matter for chains and for counting once."""

    __slots__ = (
        "above",
        "bills",
        "chains",
        "derived",
        "key",
        "last_received",
        "links",
        "open",
        "responses",
        "root",
        "unlinked",
        "waiting",
    )

    def __init__(self, key: str) -> None:
        self.key = key
        self.links: dict[bytes, bytes] = {}
        """Span id → parent span id; empty for a root."""
        self.chains: dict[bytes, Ids] = {}
        """Span id → the chain ids that hold at and below that span."""
        self.bills: dict[bytes, Bill] = {}
        self.responses: dict[str, bytes] = {}
        """Response id → the span that is billed for it."""
        self.above: set[bytes] = set()
        """Spans known to lie above a billed model call: they only repeat it. Only asked, never
        walked through."""
        self.unlinked: dict[bytes, None] = {}
        """Spans at which a way up from a billed call ends for want of a link."""
        self.waiting: dict[bytes, list[Any]] = {}
        """Spans that wait for an ancestor: `[due, span row]`, oldest first."""
        self.derived: dict[bytes, Ids] = {}
        """Span id → the chain it was given for want of an ancestor."""
        self.open: dict[bytes, list[bytes]] = {}
        """Unknown span id → spans, waiting or derived, whose way up ends there."""
        self.root: list[Any] | None = None
        """What a root span that is no entity's own told: start, end, outcome, reason, code."""
        self.last_received = 0

    def way_up_ends(self, span_id: bytes) -> bytes | None:
        """Where the known way from a span up ends for want of a link; None at a root."""
        links = self.links
        current = span_id
        for _ in range(LINKS_MAX):
            parent = links.get(current)
            if parent is None:
                return current
            if not parent:
                return None
            current = parent
        return None

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

    def bill(self, span_id: bytes, bill: Bill) -> int:
        """Remember a bill; the number of bills that had to be forgotten for it."""
        self.bills[span_id] = bill
        if bill.response_id is not None and bill.counted:
            self.responses[bill.response_id] = span_id
        if len(self.bills) <= BILLS_MAX:
            return 0
        forgotten = self.bills.pop(next(iter(self.bills)))
        if forgotten.response_id is not None and forgotten.counted:
            self.responses.pop(forgotten.response_id, None)
        return 1

    def forget_links(self) -> None:
        """Keep the bills alone."""
        self.links = {}
        self.chains = {}
        self.above = set()
        self.unlinked = {}
        self.open = {}
        self.derived = {}
        self.root = None

    def to_row(self) -> list[Any]:
        """The trace as plain values, for the state store."""
        return [
            b"".join(span + (parent or bytes(8)) for span, parent in self.links.items()),
            [[span, ids] for span, ids in self.chains.items()],
            [
                [
                    span,
                    bill.ids,
                    bill.operation,
                    bill.response_id,
                    bill.amounts,
                    bill.counted,
                    bill.about,
                    bill.governed,
                ]
                for span, bill in self.bills.items()
            ],
            sorted(self.above),
            list(self.unlinked),
            [[span, *item] for span, item in self.waiting.items()],
            [[span, ids] for span, ids in self.derived.items()],
            [[span, spans] for span, spans in self.open.items()],
            self.last_received,
            self.root,
        ]

    @staticmethod
    def from_row(key: str, row: list[Any]) -> Trace:
        """The trace that `to_row` wrote."""
        trace = Trace(key)
        links = row[0]
        for at in range(0, len(links), 16):
            parent = links[at + 8 : at + 16]
            trace.links[links[at : at + 8]] = b"" if parent == bytes(8) else parent
        trace.chains = {span: tuple(ids) for span, ids in row[1]}
        for span, ids, operation, response_id, amounts, counted, about, governed in row[2]:
            bill = Bill(tuple(ids), operation, response_id, list(amounts), counted, tuple(about))
            bill.governed = governed
            trace.bill(span, bill)
        trace.above = set(row[3])
        trace.unlinked = dict.fromkeys(row[4])
        trace.waiting = {span: [due, seen] for span, due, seen in row[5]}
        trace.derived = {span: tuple(ids) for span, ids in row[6]}
        trace.open = {span: list(spans) for span, spans in row[7]}
        trace.last_received = row[8]
        trace.root = row[9]
        return trace
