"""An engine whose events are archived and signed, and what somebody can do to them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import msgspec
from tests.support.events import NODE
from tests.support.live_engine import LiveEngine

from neurorail.collector.archive.formats import EVENTS_FORMAT, EVENTS_TABLE, event_settings
from neurorail.collector.audit.checkpoint import Anchors, Checkpoint, public_key_of
from neurorail.collector.audit.checkpointer import Checkpointer
from neurorail.collector.audit_chain import GENESIS, canonical, link
from neurorail.collector.decode.commands import AuditCommand, encode_command
from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.store.audit import Fault, Own, verify
from neurorail.collector.store.store import Store
from neurorail.collector.stream.event import EventLine, decode_lines

MISSION = "m_1"
SAID = "JSONExtractString(details, 'message')"
"""What an entry says, in SQL; `{said}` in a change stands for it."""
_tokens = itertools.count()


def said(line: EventLine) -> str:
    """What an entry says."""
    return str(msgspec.json.decode(line.data)["message"])


def columns_of(line: EventLine) -> list[Any]:
    """An event as its line has it."""
    return [getattr(line, name) for name in EventLine.__struct_fields__]


class Trail:
    """An engine whose events are archived, and what signs them."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.live = LiveEngine()
        self.lines: list[EventLine] = []
        self.anchors = Anchors(folder / "anchors.jsonl")
        self.checkpointer = self.signer()

    def signer(self) -> Checkpointer:
        return Checkpointer(self.store, NODE, self.folder, self.anchors, lambda: self.live.now)

    def log(self, *messages: str, mission: str = MISSION) -> None:
        """Write entries and archive them."""
        for message in messages:
            ids = (mission, None, None, None, None)
            command = AuditCommand(ids, "x", "safety", "info", message, msgspec.Raw(b'{"a":1}'))
            self.live.apply(
                Submission(Kind.COMMAND, Signal.NONE, encode_command(command), encoding="json")
            )
        for batch in self.live.outbox.batches:
            self.lines += decode_lines(batch.lines)
        self.live.archive(self.store)

    @property
    def head(self) -> str:
        return self.lines[-1].hash

    def sign(self) -> Checkpoint:
        taken = self.checkpointer.take(self.head)
        assert taken is not None
        return taken

    def faults(self, **asked: Any) -> list[Fault]:
        report = verify(self.store, anchors=self.anchors.read(), **asked)
        return [fault for node in report.nodes for fault in node.faults]

    def change(self, sql: str) -> None:
        """What somebody with write access to the database can do."""
        statement = f"ALTER TABLE neurorail_audit {sql.replace('{said}', SAID)}"
        self.store.command(statement, settings={"mutations_sync": 2})

    def replace(self, lines: list[EventLine]) -> None:
        """Other rows in place of all there are, with hashes that fit each other."""
        self.store.command("TRUNCATE TABLE neurorail_audit")
        head, forged = GENESIS, []
        for line in lines:
            columns = columns_of(line)
            own = link(head, canonical(columns[:21]))
            columns[21:23] = [head.hex(), own.hex()]
            data = bytes(line.data)
            forged.append(msgspec.json.encode([*columns[:23], msgspec.Raw(data)]) + b"\n")
            head = own
        token = f"forged-{next(_tokens)}"
        self.store.raw_insert(EVENTS_TABLE, forged, EVENTS_FORMAT, event_settings(token))


def own(trail: Trail) -> Own:
    """What the server of the trail knows of itself."""
    return Own(NODE, public_key_of(trail.folder), trail.anchors.read)
