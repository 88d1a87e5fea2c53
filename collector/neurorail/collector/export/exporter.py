"""All destinations: their threads, how far they are, and what the inbox keeps for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from neurorail.collector.envelope import Envelope, Kind
from neurorail.collector.export.batch import Gatherer
from neurorail.collector.export.clients import Client, OwnHeaders, connect
from neurorail.collector.export.config import Destination
from neurorail.collector.export.cursor import CursorLog
from neurorail.collector.export.losses import Losses
from neurorail.collector.export.ports import Loss, Meter, ReadEvents, RecordSource
from neurorail.collector.export.sender import Sender
from neurorail.collector.inbox.errors import InboxPruned
from neurorail.collector.inbox.segments import FullFile
from neurorail.collector.otlp.signals import BY_SIGNAL

_PAGE_RECORDS = 512
_PAGE_BYTES = 8 << 20


class Exporter:
    """Sends what the inbox holds and the engine says to every destination, each at its own pace.

    `keep` is asked before the inbox is pruned: it tells how far that may go, and gives up the
    oldest telemetry of a destination that is too far behind.
    """

    def __init__(
        self,
        directory: Path,
        destinations: Mapping[str, Destination],
        records: RecordSource,
        read_events: ReadEvents,
        meter: Callable[[str], Meter],
        losses: Losses,
        node: str,
        version: str,
        own_headers: OwnHeaders,
        connect: Callable[[Destination, OwnHeaders], Client] = connect,
    ) -> None:
        self._directory = directory
        self._destinations = dict(destinations)
        self._records = records
        self._read_events = read_events
        self._meters = {name: meter(name) for name in destinations}
        self._losses = losses
        self._node = node
        self._version = version
        self._own_headers = own_headers
        self._connect = connect
        self._cursors: CursorLog | None = None
        self._senders: dict[str, Sender] = {}
        self._given_up: dict[str, int] = {}

    def start(self) -> None:
        """Begin to send, each destination where it stopped.

        Raises:
            OSError: a file of a destination cannot be read.
            ValueError: a headers' file is malformed.
        """
        if not self._destinations:
            return
        self._cursors = CursorLog(self._directory / "export.db")
        begun = self._cursors.load(self._destinations, max(0, self._records.first_seq - 1))
        for name, destination in self._destinations.items():
            self._senders[name] = Sender(
                name,
                destination,
                Gatherer(destination, self._records, self._read_events, self._node, self._version),
                self._records,
                self._connect(destination, self._own_headers),
                self._cursors,
                begun[name],
                self._meters[name],
                self._losses.add,
            )
        for sender in self._senders.values():
            sender.start()

    def stop(self) -> None:
        """End all threads. Idempotent. What was not delivered is sent after the next start."""
        for sender in self._senders.values():
            sender.ask_to_stop()
        if self._cursors is not None:
            for sender in self._senders.values():
                sender.join()
            self._cursors.close()
            self._cursors = None

    def keep(self, prunable_seq: int, full_files: Callable[[int], list[FullFile]]) -> int:
        """How far the inbox may be pruned. Blocks on the disk when telemetry is given up.

        Args:
            prunable_seq: how far it could be pruned without any destination.
            full_files: the full files of the inbox up to a record, oldest first.
        """
        if len(self._senders) < len(self._destinations):
            return 0  # It is not known yet how far they are.
        kept = prunable_seq
        for name, sender in self._senders.items():
            if sender.seq < prunable_seq:
                kept = min(kept, self._reach(name, sender.seq, full_files(prunable_seq)))
        return kept

    def behind(self) -> dict[str, int]:
        """Records that wait, by destination."""
        last_seq = self._records.last_seq
        return {name: max(0, last_seq - s.seq) for name, s in self._senders.items()}

    def waiting_for(self) -> dict[str, str]:
        """What holds a destination up, by destination; empty text where nothing does."""
        return {name: sender.waiting_for for name, sender in self._senders.items()}

    def retries(self) -> dict[str, int]:
        """Requests that were sent again, by destination."""
        return {name: sender.retries for name, sender in self._senders.items()}

    def delivered_seq(self, name: str) -> int:
        """Up to which record a destination has got everything."""
        return self._senders[name].seq

    def _reach(self, name: str, seq: int, files: list[FullFile]) -> int:
        """Up to where the inbox need not be kept for a destination."""
        held = [file for file in files if file.last_seq > max(seq, self._given_up.get(name, 0))]
        size = sum(file.size_bytes for file in held)
        reach = max(seq, self._given_up.get(name, 0))
        for file in held:
            if size <= self._destinations[name].queue_bytes:
                break
            self._give_up(name, reach, file.last_seq)
            reach = self._given_up[name] = file.last_seq
            size -= file.size_bytes
        return reach

    def _give_up(self, name: str, after_seq: int, last_seq: int) -> None:
        items: dict[str, int] = {}
        while after_seq < last_seq:
            try:
                page = self._records.read(after_seq, _PAGE_RECORDS, _PAGE_BYTES)
            except InboxPruned:
                break
            if not page:
                break
            for envelope in page:
                if envelope.seq <= last_seq and self._gets(name, envelope):
                    signal = BY_SIGNAL[envelope.signal].name
                    items[signal] = items.get(signal, 0) + envelope.items
            after_seq = page[-1].seq
        for signal, count in items.items():
            self._meters[name].enqueue_failed(signal, count)
        limit = self._destinations[name].queue_bytes
        said = f"more than queue_bytes ({limit}) waited"
        self._losses.add(Loss(name, "limit", sum(items.values()), said))

    def _gets(self, name: str, envelope: Envelope) -> bool:
        destination = self._destinations[name]
        return (
            envelope.kind is Kind.TELEMETRY
            and BY_SIGNAL[envelope.signal].name in destination.signals
            and (not destination.tenants or envelope.tenant in destination.tenants)
        )
