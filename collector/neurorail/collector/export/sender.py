"""The thread of one destination: one request after the other, until each has an end."""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import Final

from neurorail.collector.export.batch import Gatherer, Request
from neurorail.collector.export.clients import Client
from neurorail.collector.export.config import Destination
from neurorail.collector.export.cursor import CursorLog
from neurorail.collector.export.outcome import Outcome, Verdict
from neurorail.collector.export.ports import Loss, Meter, OnLoss, RecordSource
from neurorail.collector.history.protocols import HistoryUnavailable

WAIT_S: Final = 0.25
"""How long a thread that has nothing to do waits before it looks whether it is to stop."""
LINGER_S: Final = 0.1
FEW_RECORDS: Final = 16
"""While fewer records wait, requests gather for `LINGER_S`."""
DEFECT_PAUSE_S: Final = 1.0
SAVED_S: Final = 1.0
"""How often the cursor is written, while requests follow each other."""
_GROWTH: Final = 1.5

_log = logging.getLogger(__name__)


class _Stopped(Exception):
    """The thread is asked to end."""


class Sender:
    """Sends everything to one destination, in order, at least once."""

    def __init__(
        self,
        name: str,
        destination: Destination,
        gatherer: Gatherer,
        records: RecordSource,
        client: Client,
        cursors: CursorLog,
        begin_seq: int,
        meter: Meter,
        on_loss: OnLoss,
    ) -> None:
        self._name = name
        self._destination = destination
        self._gatherer = gatherer
        self._records = records
        self._client = client
        self._cursors = cursors
        self._meter = meter
        self._on_loss = on_loss
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"export-{name}", daemon=True)
        self._saved_s = 0.0
        self._saved_seq = begin_seq
        self.seq = begin_seq
        """The destination has got everything up to this record."""
        self.waiting_for = ""
        """What keeps it from going on, in the endpoint's words; empty while it goes on."""
        self.retries = 0
        """Requests that were sent again."""

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Let the thread end soon; what has no answer yet is sent again at the next start."""
        self._stop.set()
        self._client.close()

    def join(self) -> None:
        """Wait for the end of the thread, and keep how far it got."""
        self._thread.join()
        self._cursors.save(self._name, self.seq)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._step()
            except _Stopped:
                return
            except HistoryUnavailable as error:
                self._pause(str(error), self._destination.retry_delay_ms_min / 1000)
            except Exception as error:
                # A defect must not end the export for good.
                _log.exception("export to %s failed; it is tried again", self._name)
                self._pause(f"{type(error).__name__}: {error}", DEFECT_PAUSE_S)

    def _step(self) -> None:
        if not self._records.wait_for(self.seq, WAIT_S):
            self._save(0.0)
            return
        if self._records.last_seq - self.seq < FEW_RECORDS:
            self._stop.wait(LINGER_S)
        envelopes, last_seq = self._gatherer.next(self.seq)
        for request in self._gatherer.requests(envelopes, self.seq, last_seq):
            self._deliver(request)
        self.seq = last_seq
        self._save(SAVED_S)

    def _save(self, interval_s: float) -> None:
        now = time.monotonic()
        if self.seq != self._saved_seq and self._saved_s + interval_s <= now:
            self._cursors.save(self._name, self.seq)
            self._saved_s, self._saved_seq = now, self.seq

    def _deliver(self, request: Request) -> None:
        """Send a request until it is taken or refused for good; a refused one by halves."""
        outcome = self._sent(request)
        signal, items = request.spec.name, request.items
        if outcome.verdict is Verdict.DELIVERED:
            rejected = min(outcome.rejected, items)
            self._meter.sent(signal, items - rejected)
            self._lose(signal, rejected, outcome)
        elif len(request.parts) > 1:
            for half in request.halves():
                self._deliver(half)
        else:
            self._lose(signal, items, outcome)

    def _sent(self, request: Request) -> Outcome:
        delay_s = self._destination.retry_delay_ms_min / 1000
        while True:
            outcome = self._client.send(request.spec, request.body)
            if outcome.verdict is not Verdict.RETRY:
                if self.waiting_for:
                    _log.info("export to %s goes on", self._name)
                self.waiting_for = ""
                return outcome
            if self._stop.is_set():
                raise _Stopped
            if not self.waiting_for:
                _log.warning("export to %s waits: %s", self._name, outcome.message)
            # Many clients of one endpoint must not come back at the same moment.
            told_s = outcome.delay_s
            self._pause(
                outcome.message,
                told_s if told_s is not None else delay_s * random.uniform(0.5, 1.5),
            )
            delay_s = min(delay_s * _GROWTH, self._destination.retry_delay_ms_max / 1000)
            self.retries += 1

    def _pause(self, why: str, seconds: float) -> None:
        self.waiting_for = why or "the endpoint"
        self._save(0.0)
        if self._stop.wait(seconds):
            raise _Stopped

    def _lose(self, signal: str, items: int, outcome: Outcome) -> None:
        if items:
            self._meter.send_failed(signal, items)
            self._on_loss(Loss(self._name, "refused", items, outcome.message))
