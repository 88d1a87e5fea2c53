"""The real API on a random port, over an engine, an outbox and an archive held in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import msgspec
from fastapi import FastAPI
from tests.support.described import JSON, Described
from tests.support.engine import DictEngine
from tests.support.events import NODE, START_UNIX_NANO, ListOutbox, ListReplay
from tests.support.history import ListHistory
from tests.support.live_engine import LiveEngine

from neurorail.api import ApiConfig, ApiDependencies, ApiServer, create_app
from neurorail.api.access import Access
from neurorail.api.hot import HotDecide
from neurorail.collector.access import DenialLog, Gate, KeyStore
from neurorail.collector.agents import Agents
from neurorail.collector.engine.applier import Busy
from neurorail.collector.engine.governor_view import AppliedGovernor
from neurorail.collector.engine.manifest_view import AppliedManifests
from neurorail.collector.engine.reflex_view import AppliedReflexes
from neurorail.collector.engine.view import AppliedView
from neurorail.collector.engine.writes import Writes
from neurorail.collector.envelope import Stamp, Submission
from neurorail.collector.health import Health
from neurorail.collector.history import (
    EntityLists,
    OutboxEvents,
    StoreHistory,
    UnitedHistory,
    UsageSums,
)
from neurorail.collector.store.store import Store
from neurorail.collector.stream import StreamConfig, StreamEvent, StreamHub
from neurorail.rules.engine import Engine

T = TypeVar("T")


@dataclass(slots=True)
class AnsweringInbox:
    """Keeps what is written; an engine that says nothing."""

    records: list[Submission] = field(default_factory=list)

    async def append(self, submissions: Sequence[Submission]) -> list[Stamp]:
        """Keep records."""
        first = len(self.records) + 1
        self.records.extend(submissions)
        return [Stamp(seq, seq) for seq in range(first, first + len(submissions))]

    @property
    def seq(self) -> int:
        """The last record."""
        return len(self.records)

    async def applied(self, seq: int) -> list[StreamEvent]:
        """No events."""
        return []

    async def ask(self, question: Callable[[Engine], T]) -> T:
        """Nobody answers."""
        raise Busy("the engine is not running")


class SilentEngine:
    """An engine that is not running."""

    seq = 0

    async def ask(self, question: Callable[[Engine], Any]) -> Any:
        """Refuse."""
        raise Busy("the engine is not running")


class NoRows:
    """An archive in which nothing is."""

    async def query_async(
        self, sql: str, parameters: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """No rows."""
        return []


_described: list[Described] = []


def open_access(inbox: AnsweringInbox, keys: Path = Path("/nonexistent/keys.json")) -> Access:
    """An API without credentials, as long as there is no key."""
    store = KeyStore(keys, lambda: START_UNIX_NANO)
    denials = DenialLog(inbox.records.extend, lambda: 0.0)
    gate = Gate(store, lambda: START_UNIX_NANO)
    return Access(gate, denials, lambda: 0.0, clock=lambda: START_UNIX_NANO)


@dataclass(slots=True)
class Rail:
    """A running API and all that stands behind it."""

    client: httpx2.AsyncClient
    server: ApiServer
    engine: DictEngine
    archive: ListHistory
    outbox: ListOutbox
    replay: ListReplay
    hub: StreamHub
    health: Health
    down: dict[str, str | None] = field(default_factory=dict)
    inbox: AnsweringInbox = field(default_factory=lambda: AnsweringInbox())
    app: FastAPI = field(default_factory=FastAPI)

    async def get(self, path: str, status: int = 200, **query: Any) -> Any:
        """The JSON that a path under the API's prefix answers."""
        response = await self.client.get(f"/api/neurorail/v1{path}", params=query)
        assert response.status_code == status, response.text
        return response.json()


@asynccontextmanager
async def running_rail(
    config: ApiConfig | None = None,
    stream: StreamConfig | None = None,
    access: Access | None = None,
    inbox: AnsweringInbox | None = None,
    live: LiveEngine | None = None,
    store: Store | None = None,
) -> AsyncIterator[Rail]:
    """A rail that is up inside the context and gone after it.

    With a live engine, its state is what is shown, and what is written reaches it. With a store,
    its tables are what is archived.
    """
    engine, archive, replay = DictEngine(), ListHistory(), ListReplay()
    outbox = live.outbox if live is not None else ListOutbox()
    hub = StreamHub(
        stream or StreamConfig(), node=NODE, clock=lambda: START_UNIX_NANO, replay=replay
    )
    health = Health()
    inbox = inbox or AnsweringInbox()
    down: dict[str, str | None] = {"inbox": None, "store": None}
    config = config or ApiConfig(port=0)
    view: AppliedView | DictEngine = AppliedView(live) if live is not None else engine
    parts = ApiDependencies(
        reflexes=AppliedReflexes(live or LiveEngine()),
        agents=Agents(lambda: START_UNIX_NANO),
        engine=view,
        history=UnitedHistory(
            archive if store is None else StoreHistory(store), OutboxEvents(outbox)
        ),
        lists=EntityLists(view, OutboxEvents(outbox), store or NoRows()),
        usage=UsageSums(store or NoRows()),
        hub=hub,
        health=health,
        readiness=lambda: down,
        clock=lambda: START_UNIX_NANO,
        node=NODE,
        version="1.2.3",
        config=config,
        writes=Writes(live, live) if live is not None else Writes(inbox, inbox),
        manifests=AppliedManifests(live if live is not None else inbox),
        access=access or open_access(inbox),
        governor=AppliedGovernor(live or SilentEngine()),
    )
    hub.start()
    app = create_app(parts)
    server = ApiServer(HotDecide(app), hub, config)
    await server.start()
    host, port = server.address
    try:
        if not _described:  # One for all tests of a process: it takes a second to make.
            _described.append(Described(app.openapi()))

        async def as_described(response: httpx2.Response) -> None:
            """Every answer of every test is one that the description allows."""
            if response.headers.get("content-type") == JSON:
                request = response.request
                body = await response.aread()
                _described[0].must_allow(
                    request.method, request.url.path, response.status_code, body
                )

        hooks = {"response": [as_described]}
        async with httpx2.AsyncClient(
            base_url=f"http://{host}:{port}", timeout=60, event_hooks=hooks
        ) as client:
            yield Rail(
                client, server, engine, archive, outbox, replay, hub, health, down, inbox, app
            )
    finally:
        await server.stop()


class Stream:
    """An open stream of server-sent events, read by a task of its own."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.lines: list[str] = []
        self._changed = asyncio.Event()
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for line in self.response.aiter_lines():
            self.lines.append(line)
            self._changed.set()

    @property
    def ids(self) -> list[str]:
        """Ids of the events that came."""
        return [line[4:] for line in self.lines if line.startswith("id: ")]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What `data:` held, in order."""
        return [msgspec.json.decode(line[6:]) for line in self.lines if line.startswith("data: ")]

    async def until(self, done: Callable[[], bool]) -> None:
        """Wait until enough has come."""
        async with asyncio.timeout(60):
            while not done():
                self._changed.clear()
                if not done():
                    await self._changed.wait()


@asynccontextmanager
async def open_stream(
    rail: Rail, headers: dict[str, str] | None = None, **query: Any
) -> AsyncIterator[Stream]:
    """A stream that is subscribed when the context begins."""
    before = rail.hub.stats().subscribers
    path = "/api/neurorail/v1/stream/events"
    async with rail.client.stream("GET", path, params=query, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        stream = Stream(response)
        await stream.until(lambda: bool(stream.lines))
        assert rail.hub.stats().subscribers == before + 1
        try:
            yield stream
        finally:
            stream.task.cancel()
            await asyncio.gather(stream.task, return_exceptions=True)
