"""Importing stored spans: read a page, send it, wait where the server is busy, go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from neurorail.client import Call, ClientError, Problem, Unreachable, calls
from neurorail.client.answers import Imported
from neurorail.collector.importing.requests import ImportRequest, Place, requests_of
from neurorail.collector.importing.source import Range, SpanSource

TIMEOUT_S: Final = 60.0
"""Longest wait for one answer: the server may first wait for its archive."""
T = TypeVar("T")
_DELAY_S: Final = 0.5
_DELAY_MAX_S: Final = 15.0
_GIVE_UP_S: Final = 600.0
"""How long the server may refuse one request before the import ends."""
_BUSY: Final = frozenset({429, 502, 503, 504})


class Sends(Protocol):
    """A client, as far as an import uses it."""

    def ask(self, call: Call[T]) -> T:
        """What a call answers."""
        ...


@dataclass(slots=True)
class Tally:
    """What became of the spans so far."""

    spans: int = 0
    """Read, and a span."""
    accepted: int = 0
    """Taken in."""
    known: int = 0
    """Left out: stored there already."""
    rejected: int = 0
    """Refused as malformed."""
    unreadable: int = 0
    """Rows whose ids are none."""
    waited_s: float = 0.0
    """For a server that was busy or away."""
    through: Place | None = None
    """Where the import stands: everything up to here is done."""


class Importer:
    """One import. Running it again adds nothing that is there."""

    def __init__(
        self,
        client: Sends,
        *,
        rate_per_s: int = 0,
        wait: Callable[[float], object] = time.sleep,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`rate_per_s` spans are sent at most; 0 is as fast as the server takes them."""
        self.tally = Tally()
        self._client = client
        self._rate_per_s = rate_per_s
        self._wait = wait
        self._clock_s = clock_s
        self._unsure = True
        """Whether spans may be under way that the server does not recognise yet."""

    def run(self, source: SpanSource, wanted: Range, moved: Callable[[Tally], None]) -> None:
        """Import what is wanted; `moved` is told after each request.

        Raises:
            ClientError: the server refuses for good, or for too long.
            StoreError: the source cannot be read.
        """
        rows = (row for part in source.slices(wanted) for row in source.rows(wanted, part))
        self.send_all(requests_of(rows), moved)

    def send_all(self, requests: Iterable[ImportRequest], moved: Callable[[Tally], None]) -> None:
        """Send requests one after the other."""
        tally, begun_s = self.tally, self._clock_s()
        for request in requests:
            if request.spans:
                told = self._send(request)
                tally.accepted += told["accepted"]
                tally.known += told["known"]
                tally.rejected += told["rejected"]
            tally.spans += request.spans
            tally.unreadable += request.unreadable
            tally.through = request.through
            moved(tally)
            if self._rate_per_s:
                ahead_s = tally.spans / self._rate_per_s - (self._clock_s() - begun_s)
                if ahead_s > 0:
                    self._wait(ahead_s)

    def _send(self, request: ImportRequest) -> Imported:
        delay_s, begun_s = _DELAY_S, self._clock_s()
        while True:
            try:
                call = calls.import_traces(request.body, after_archived=self._unsure)
                told = self._client.ask(call)
            except Problem as problem:
                if problem.status not in _BUSY:
                    raise
                failure: ClientError = problem
            except Unreachable as error:
                failure = error
                self._unsure = True  # It may have been taken in without our having heard of it.
            else:
                self._unsure = False
                return told
            if self._clock_s() - begun_s > _GIVE_UP_S:
                raise failure
            self._wait(delay_s)
            self.tally.waited_s += delay_s
            delay_s = min(delay_s * 2, _DELAY_MAX_S)
