"""Signed statements about the audit chain, and where copies of them are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Query
from starlette.concurrency import run_in_threadpool

from neurorail.api.access import Router, needs
from neurorail.api.encoding import JsonResponse, iso_time
from neurorail.collector.access.permissions import READ_AUDIT
from neurorail.collector.audit.checkpoint import (
    Checkpoint,
    Rotation,
    Statement,
    Tombstone,
    faults_of,
    is_signed,
    key_id,
)

LIMIT_MAX: Final = 1_000
ReadStatements = Callable[[], Sequence[Statement]]
"""Every statement, oldest first. Blocks on the disk; raises OSError or ValueError."""


@dataclass(frozen=True, slots=True)
class Anchorage:
    """Where statements are kept outside the database."""

    file: str
    """Name of the file."""
    file_is_elsewhere: bool
    """Whether the file is outside the data directory."""
    destinations: tuple[str, ...] = ()
    """OTLP destinations that are sent events, checkpoints among them."""

    def body(self) -> list[dict[str, Any]]:
        """The same as JSON."""
        beside = "outside the data directory" if self.file_is_elsewhere else "data directory"
        return [
            {"kind": "file", "name": self.file, "note": beside},
            {"kind": "log", "name": "server log", "note": "one line each"},
            *({"kind": "otlp", "name": name, "note": "as an event"} for name in self.destinations),
        ]


def create_router(read: ReadStatements, anchorage: Anchorage) -> Router:
    """The route over what was signed."""
    router = Router(prefix="/audit", tags=["audit"])

    @router.get("/checkpoints")
    @needs(READ_AUDIT)
    async def checkpoints(
        limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 100,
        before: Annotated[int | None, Query(ge=0, description="`next_before` of a page")] = None,
    ) -> JsonResponse:
        """Signed statements, newest first: checkpoints, key rotations, tombstones.

        `signature_valid` is of each by itself; `faults` are what is wrong with them together: a
        gap, another key than the one that holds. `anchored` is where copies are.
        """
        return JsonResponse(await run_in_threadpool(_page, read, anchorage, limit, before))

    return router


def _page(
    read: ReadStatements, anchorage: Anchorage, limit: int, before: int | None
) -> dict[str, Any]:
    statements = list(read())
    # The list only grows at its end, so that a place in it stays what it is.
    end = len(statements) if before is None else min(before, len(statements))
    begin = max(0, end - limit)
    nodes = sorted({each.node for each in statements})
    kinds = Counter(type(each) for each in statements)
    return {
        "statements": [_body(statements[at], at) for at in range(end - 1, begin - 1, -1)],
        "total": len(statements),
        "checkpoints": kinds[Checkpoint],
        "next_before": begin or None,
        "anchored": anchorage.body(),
        "faults": _faults(statements, nodes) if before is None else [],
    }


def _faults(statements: Sequence[Statement], nodes: Sequence[str]) -> list[str]:
    found = []
    for node in nodes:
        # Every signature of the newest; the older ones are what `verify` looks at.
        own = [each for each in statements if each.node == node][-LIMIT_MAX:]
        found += [f"{fault} (of node {node})" for fault in faults_of(own)]
    return found


def _body(statement: Statement, place: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "place": place,
        "node": statement.node,
        "time": iso_time(statement.time_unix_nano),
        "key_id": key_id(statement.public_key),
        "public_key": statement.public_key,
        "signature": statement.signature,
        "signature_valid": is_signed(statement),
    }
    if isinstance(statement, Rotation):
        new = statement.new_public_key
        return {"kind": "rotation", **body, "new_key_id": key_id(new), "new_public_key": new}
    told = {
        "last": f"{statement.node}.{'.'.join(map(str, statement.last))}",
        "total": statement.total,
        "head": statement.head,
    }
    if isinstance(statement, Tombstone):
        return {"kind": "tombstone", **body, **told}
    first = f"{statement.node}.{'.'.join(map(str, statement.first))}"
    count, root = statement.count, statement.root
    return {"kind": "checkpoint", **body, "first": first, **told, "count": count, "root": root}
