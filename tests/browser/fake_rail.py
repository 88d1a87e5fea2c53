"""A small server that speaks the read side of the API from a scripted state: real HTTP, real SSE.

The ControlDeck's own files are served by the product's mount, with the product's headers, so that
the page under test is the page that ships. Only what is behind the API is scripted here.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response, StreamingResponse

from neurorail.api import deck
from neurorail.collector.access.permissions import ROLES
from neurorail.rules.events import EVENT_TYPES
from neurorail.rules.lifecycle import TRANSITIONS

LEVELS = ("mission", "plan", "job", "attempt", "resource")
ENDED = frozenset({"succeeded", "failed", "timeout", "cancelled"})
VIOLATIONS = frozenset({"transition_rejected", "budget_violation", "orphan_detected"})


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


@dataclass
class Entity:
    """One entity of the script."""

    id: str
    type: str
    parent: str
    chain: dict[str, str]
    own: dict[str, Any]
    state: str = ""
    created: float | None = None
    started: float | None = None
    ended: float | None = None
    flags: list[str] = field(default_factory=list)
    error_code: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0

    def body(self) -> dict[str, Any]:
        """The entity as the API shows it."""
        whole = self.started is not None and self.ended is not None
        took = round(((self.ended or 0) - (self.started or 0)) * 1000)
        return {
            "entity_type": self.type,
            "entity_id": self.id,
            "parent_id": self.parent or None,
            **self.chain,
            "state": self.state,
            "flags": self.flags,
            "created_at": _iso(self.created),
            "started_at": _iso(self.started),
            "ended_at": _iso(self.ended),
            "duration_ms": took if whole else None,
            "error_code": self.error_code,
            **self.own,
            "totals": {
                "input_tokens": self.input_tokens,
                "output_tokens": self.output_tokens,
                "cost_usd": self.cost_usd,
                "unpriced_calls": 0,
                "retry_count": 0,
            },
        }


class FakeRail:
    """Entities and events, changed by the test and read by the page."""

    def __init__(self) -> None:
        self.entities: dict[str, Entity] = {}
        self.events: list[tuple[str, str]] = []
        self.audit: list[dict[str, Any]] = []
        self.violations = 0
        self.lock = threading.RLock()
        self.subscribers: set[asyncio.Queue[tuple[str, str] | None]] = set()
        self.loop: asyncio.AbstractEventLoop | None = None

    def create(
        self, entity_type: str, entity_id: str, parent: str = "", at: float = 0.0, **own: Any
    ) -> str:
        """Makes an entity, pending. `at` shifts its time by seconds against now."""
        chain = dict(self.entities[parent].chain) if parent else {}
        chain[f"{entity_type}_id"] = entity_id
        self.entities[entity_id] = Entity(entity_id, entity_type, parent, chain, own)
        self.move(entity_id, "create", at)
        return entity_id

    def move(self, entity_id: str, transition: str, at: float = 0.0) -> None:
        """Takes a transition and publishes it."""
        moment = time.time() + at
        with self.lock:
            entity = self.entities[entity_id]
            came_from = entity.state
            entity.state = TRANSITIONS[(came_from, transition)]
            if transition == "create":
                entity.created = moment
            if entity.state == "running":
                entity.started = moment
            if entity.state in ENDED:
                entity.ended = moment
        self.publish(
            "state_changed",
            entity_id,
            at,
            entity_type=entity.type,
            entity_id=entity_id,
            from_state=came_from,
            to_state=entity.state,
            transition=transition,
            inferred=False,
        )

    def run(self, entity_type: str, entity_id: str, parent: str = "", **own: Any) -> str:
        """Makes an entity that runs."""
        self.create(entity_type, entity_id, parent, **own)
        self.move(entity_id, "enqueue")
        self.move(entity_id, "start")
        return entity_id

    def spend(self, entity_id: str, input_tokens: int, output_tokens: int, cost: float) -> None:
        """Bills one call to an entity and everything above it."""
        with self.lock:
            for each in self.entities[entity_id].chain.values():
                self.entities[each].input_tokens += input_tokens
                self.entities[each].output_tokens += output_tokens
                self.entities[each].cost_usd += cost
        self.publish(
            "cost_tracked",
            entity_id,
            entity_type="resource",
            entity_id=entity_id,
            model="gpt-5-mini",
            llm_tokens=input_tokens + output_tokens,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost=cost,
            priced=True,
        )

    def publish(self, event_type: str, concerns: str, at: float = 0.0, /, **data: Any) -> str:
        """Sends one event of a registered type to every subscriber; gives its id."""
        with self.lock:
            chain = dict.fromkeys((f"{level}_id" for level in LEVELS), "")
            if concerns:
                chain.update(self.entities[concerns].chain)
            event_id = f"node.1.{len(self.events) + 1}.0"
            channel = EVENT_TYPES[event_type].channel
            moment = time.time() + at
            body = {
                "channel": channel,
                "event_type": event_type,
                "timestamp": moment,
                "data": {**chain, **data},
            }
            self.violations += event_type in VIOLATIONS
            row: dict[str, Any] = {"audit_id": event_id, "timestamp": _iso(moment), **chain}
            row |= {"event_type": event_type, "details": body["data"], "severity": "info"}
            self.audit.append(row)
            self.events.append((event_id, json.dumps(body)))
            self._send((event_id, self.events[-1][1]))
        return event_id

    def lag(self) -> None:
        """Tells subscribers that they missed events."""
        body = {
            "channel": "all",
            "event_type": "stream_lagged",
            "timestamp": time.time(),
            "data": {"first_id": "node.1.7.0", "last_id": "node.1.9.0", "missed": 3},
        }
        with self.lock:
            self._send(("", json.dumps(body)))

    def _send(self, item: tuple[str, str]) -> None:
        if self.loop is None:
            return
        for queue in tuple(self.subscribers):
            self.loop.call_soon_threadsafe(queue.put_nowait, item)

    def snapshot(self) -> dict[str, Any]:
        """The counts, as `telemetry/snapshot` gives them."""
        with self.lock:
            all_of = {
                level: [e.state for e in self.entities.values() if e.type == level]
                for level in LEVELS
            }
            missions = [e for e in self.entities.values() if e.type == "mission"]
            return {
                "snapshot_id": "s_1",
                "timestamp": _iso(time.time()),
                "entity_counts": {f"{level}s": len(all_of[level]) for level in LEVELS},
                "by_state": {level: dict(Counter(all_of[level])) for level in LEVELS},
                "active_executions": {
                    "running_missions": all_of["mission"].count("running"),
                    "running_jobs": all_of["job"].count("running"),
                    "queued_jobs": all_of["job"].count("queued"),
                    "running_attempts": all_of["attempt"].count("running"),
                },
                "totals": {
                    "input_tokens": sum(e.input_tokens for e in missions),
                    "output_tokens": sum(e.output_tokens for e in missions),
                    "cost_usd": sum(e.cost_usd for e in missions),
                    "violations": self.violations,
                },
            }

    async def stream(self, last_id: str | None) -> AsyncIterator[bytes]:
        """The events after `last_id`, then those that come."""
        queue: asyncio.Queue[tuple[str, str] | None] = asyncio.Queue()
        with self.lock:
            ids = [event_id for event_id, _ in self.events]
            after = ids.index(last_id) + 1 if last_id in ids else 0
            backlog = self.events[after:]
            self.subscribers.add(queue)
        try:
            yield b"retry: 200\n\n"
            for event_id, body in backlog:
                yield f"id: {event_id}\ndata: {body}\n\n".encode()
            while (item := await queue.get()) is not None:
                event_id, body = item
                head = f"id: {event_id}\n" if event_id else ""
                yield f"{head}data: {body}\n\n".encode()
        finally:
            self.subscribers.discard(queue)


def _govern(app: FastAPI, prefix: str) -> None:
    """Nothing is governed: an open server with the shipped manifest."""

    @app.get(prefix + "/rbac/whoami")
    async def whoami() -> dict[str, Any]:
        return {
            "principal": "anonymous",
            "tenant": "default",
            "role": "admin",
            "agent": False,
            "permissions": list(ROLES["admin"]),
            "expires_at": None,
        }

    @app.get(prefix + "/reflex/{what}")
    async def reflex(what: str) -> dict[str, Any]:
        return {what: [], "total": 0}

    @app.get(prefix + "/usage")
    async def usage() -> dict[str, Any]:
        return {"groups": []}

    @app.get(prefix + "/budgets")
    async def budgets() -> dict[str, Any]:
        return {"budgets": []}

    @app.get(prefix + "/agents")
    async def agents() -> dict[str, Any]:
        return {"agents": [], "total": 0}

    @app.get("/api/governor/v1/{what}")
    async def governor(what: str) -> dict[str, Any]:
        active = {"version": "default-1", "sha256": "0" * 64}
        return {what: [], "total": 0, "active": active, "total_decisions": 0}

    @app.get(prefix + "/rbac/keys")
    async def keys() -> dict[str, Any]:
        return {"keys": []}


def build_app(rail: FakeRail) -> FastAPI:
    """The scripted API with the product's pages on it."""
    app = FastAPI()
    prefix = "/api/neurorail/v1"

    @app.get(prefix + "/stream/events")
    async def stream(request: Request) -> Response:
        rail.loop = asyncio.get_running_loop()
        last_id = request.headers.get("last-event-id")
        return StreamingResponse(rail.stream(last_id), media_type="text/event-stream")

    @app.get(prefix + "/telemetry/snapshot")
    async def snapshot() -> dict[str, Any]:
        return rail.snapshot()

    @app.get(prefix + "/missions")
    async def missions(limit: int = 100) -> dict[str, Any]:
        with rail.lock:
            found = [e for e in rail.entities.values() if e.type == "mission"]
            found.sort(key=lambda e: -(e.created or 0))
            return {"missions": [e.body() for e in found[:limit]], "next_cursor": None}

    @app.get(prefix + "/identity/trace/mission/{mission_id}")
    async def trace(mission_id: str) -> Response:
        with rail.lock:
            mission = rail.entities.get(mission_id)
            if mission is None:
                return JSONResponse({"status": 404}, status_code=404)
            below = [
                e.body()
                for e in rail.entities.values()
                if e.chain.get("mission_id") == mission_id and e.id != mission_id
            ]
        resources = [body for body in below if body["entity_type"] == "resource"]
        answer = {"mission": mission.body(), "resources": resources, "descendants": below}
        return JSONResponse({**answer, **dict.fromkeys(LEVELS[1:])})

    _govern(app, prefix)

    @app.get(prefix + "/audit/events")
    async def audit(
        mission_id: str = "",
        event_type: str = "",
        end_time: str = "",
        cursor: str = "",
        limit: int = 100,
        skip: int = 0,
        order: str = "newest",
    ) -> dict[str, Any]:
        with rail.lock:
            rows = [
                row
                for row in rail.audit
                if mission_id in ("", row["mission_id"])
                and event_type in ("", row["event_type"])
                and (not end_time or row["timestamp"] < end_time.replace("Z", "+00:00"))
            ][::-1]
        begin = int(cursor or 0) + skip
        if order == "oldest":
            end, begin = begin - 1, max(0, begin - 1 - limit)
            page, following = rows[begin:end][::-1], str(begin + 1) if begin else None
        else:
            page = rows[begin : begin + limit]
            following = str(begin + limit) if begin + limit < len(rows) else None
        return {
            "events": page,
            "total": len(rows),
            "limit": limit,
            "first_cursor": str(begin + 1) if page else None,
            "next_cursor": following,
        }

    @app.get(prefix + "/lifecycle/history/{entity_type}/{entity_id}")
    async def history(entity_type: str, entity_id: str) -> dict[str, Any]:
        with rail.lock:
            rows = [
                row
                for row in rail.audit
                if row["event_type"] == "state_changed" and row["details"]["entity_id"] == entity_id
            ]
        transitions = [
            {
                **row["details"],
                "transition_id": row["audit_id"],
                "timestamp": row["timestamp"],
                "received_at": row["timestamp"],
                "gap": False,
            }
            for row in rows
        ]
        return {"transitions": transitions, "total_transitions": len(rows), "next_cursor": None}

    @app.get(prefix + "/missions/{mission_id}/spans")
    async def spans(mission_id: str) -> dict[str, Any]:
        return {"mission_id": mission_id, "spans": [], "truncated": False}

    deck.mount(app)
    return app


class Served:
    """The scripted server on a port of its own, in a thread; can be stopped and started again."""

    def __init__(self, rail: FakeRail) -> None:
        self.rail = rail
        # Bound as long as the test runs: nothing else is given the port between two starts.
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind(("127.0.0.1", 0))
        self.port = int(self._holder.getsockname()[1])
        self.address = f"http://127.0.0.1:{self.port}"
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts; returns when the port answers."""
        config = uvicorn.Config(
            build_app(self.rail),
            host="127.0.0.1",
            port=self.port,
            log_level="critical",
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        server = self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=server.run, name="fake-rail", daemon=True)
        self._thread.start()
        while not server.started:
            if not self._thread.is_alive():
                raise RuntimeError(f"the scripted server did not start on port {self.port}")
            time.sleep(0.01)

    def close(self) -> None:
        """Stops for good."""
        self.stop()
        self._holder.close()

    def stop(self) -> None:
        """Ends every stream and stops."""
        if self._server is None or self._thread is None:
            return
        if self.rail.loop is not None:
            for queue in tuple(self.rail.subscribers):
                self.rail.loop.call_soon_threadsafe(queue.put_nowait, None)
        self._server.should_exit = True
        self._thread.join(60)
        self._server = self._thread = None
        self.rail.loop = None
        self.rail.subscribers.clear()
