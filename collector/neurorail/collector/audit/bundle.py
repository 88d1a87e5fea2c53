"""Bundles: events with everything that is needed to believe them, without this program.

A bundle is lines of JSON: `bundle` (what it is about), then the signed statements, then `event`
lines. An event's proof is its place among the events of a checkpoint and the Merkle path to the
root that the checkpoint signs. Nothing of other events is told but hashes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from neurorail.collector.audit.checkpoint import Checkpoint, Statement
from neurorail.collector.audit.checkpointer import checkpoints_of
from neurorail.collector.audit.merkle import Tree
from neurorail.collector.audit_chain import HEAD_FIELDS
from neurorail.collector.stream.event import parse_event_id

_PAGE: Final = 1_000
_PLACE: Final = "(epoch, seq, `index`)"
_COLUMNS: Final = """node, epoch, seq, `index`, tenant, toUnixTimestamp64Nano(timestamp),
event_time_unix_nano, channel, event_type, event_category, severity, message, mission_id, plan_id,
job_id, attempt_id, resource_id, entity_type, entity_id, principal, lower(hex(details_hash)),
details, lower(hex(prev_hash)), lower(hex(hash))"""


class NothingArchived(LookupError):
    """The archive holds no event of what a bundle is to be about."""


class Archive(Protocol):
    """A store, as far as bundles read it."""

    def query_rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Sequence[Any]]:
        """Rows of a SELECT."""
        ...


def write_bundle(
    store: Archive, statements: Sequence[Statement], tenant: str, about: Mapping[str, str]
) -> Iterator[bytes]:
    """The lines of a bundle. Blocks on the store.

    Args:
        store: the archive.
        statements: what was signed.
        tenant: whose events.
        about: column and value, for example `mission_id`; or node, epoch, seq and index as text.

    Raises:
        NothingArchived: there is no such event; before the first line.
        StoreError: the archive cannot be read.
    """
    nodes = _nodes(store, tenant, about)
    if not nodes:
        raise NothingArchived
    yield _line({"kind": "bundle", "version": 1, "tenant": tenant, "about": dict(about),
                 "head_fields": HEAD_FIELDS})  # fmt: skip
    for statement in statements:
        if statement.node in nodes:
            yield msgspec.json.encode(statement) + b"\n"
    for node in nodes:
        yield from _events(store, checkpoints_of(statements, node), tenant, node, about)


def about_event(event_id: str) -> dict[str, str]:
    """What `write_bundle` is to be about, for one event.

    Raises:
        ValueError: that is no event id.
    """
    node, (epoch, seq, index) = parse_event_id(event_id)
    if max(epoch, index) >= 2**32 or seq >= 2**63:
        raise ValueError(f"{event_id[:100]!r} is not an event id that this server gave")
    return {"node": node, "epoch": str(epoch), "seq": str(seq), "index": str(index)}


def _nodes(store: Archive, tenant: str, about: Mapping[str, str]) -> list[str]:
    where, parameters = _about(tenant, about)
    rows = store.query_rows(
        f"SELECT DISTINCT node FROM neurorail_audit WHERE {where} ORDER BY node", parameters
    )
    return [node for (node,) in rows]


def _events(
    store: Archive,
    checkpoints: Sequence[Checkpoint],
    tenant: str,
    node: str,
    about: Mapping[str, str],
) -> Iterator[bytes]:
    prover = _Prover(store, checkpoints)
    where, parameters = _about(tenant, about)
    after = (0, 0, -1)
    while True:
        rows = store.query_rows(
            f"SELECT {_COLUMNS} FROM neurorail_audit WHERE {where} AND node = {{of_node:String}} "
            f"AND {_PLACE} > ({{a:Int64}}, {{b:Int64}}, {{c:Int64}}) "
            "ORDER BY epoch, seq, `index` LIMIT {page:UInt32}",
            {**parameters, "of_node": node, "a": after[0], "b": after[1], "c": after[2],
             "page": _PAGE},
        )  # fmt: skip
        for row in rows:
            details, prev_hash, own_hash = row[-3:]
            after = (row[1], row[2], row[3])
            yield _line({
                "kind": "event", "head": list(row[:-3]), "details": details or None,
                "prev_hash": prev_hash, "hash": own_hash, "proof": prover.proof(after, own_hash),
            })  # fmt: skip
        if len(rows) < _PAGE:
            return


class _Prover:
    """Proves events of one node, asked for in their order."""

    def __init__(self, store: Archive, checkpoints: Sequence[Checkpoint]) -> None:
        self._store = store
        self._checkpoints = list(checkpoints)
        self._tree: Tree | None = None
        self._places: dict[str, int] = {}
        self._current: Checkpoint | None = None

    def proof(self, place: tuple[int, int, int], own_hash: str) -> dict[str, Any] | None:
        """The proof of an event; None if no checkpoint covers it yet."""
        covering = next(
            (each for each in self._checkpoints
             if tuple(each.first) <= place <= tuple(each.last)), None,
        )  # fmt: skip
        if covering is None:
            return None
        if covering is not self._current:
            self._load(covering)
        at = self._places.get(own_hash)
        if at is None or self._tree is None:
            return None
        path = [step.hex() for step in self._tree.path(at)]
        return {"root": covering.root, "place": at, "count": covering.count, "path": path}

    def _load(self, checkpoint: Checkpoint) -> None:
        rows = self._store.query_rows(
            "SELECT lower(hex(hash)) FROM neurorail_audit WHERE node = {node:String} "
            "AND seq BETWEEN {b:Int64} AND {e:Int64} "
            f"AND {_PLACE} >= ({{a:Int64}}, {{b:Int64}}, {{c:Int64}}) "
            f"AND {_PLACE} <= ({{d:Int64}}, {{e:Int64}}, {{f:Int64}}) "
            "ORDER BY epoch, seq, `index`",
            {"node": checkpoint.node,
             **dict(zip("abcdef", (*checkpoint.first, *checkpoint.last), strict=True))},
        )  # fmt: skip
        hashes = [own_hash for (own_hash,) in rows]
        self._current = checkpoint
        self._places = {own_hash: at for at, own_hash in enumerate(hashes)}
        self._tree = Tree([bytes.fromhex(each) for each in hashes])


def _about(tenant: str, about: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    terms, parameters = ["tenant = {tenant:String}"], {"tenant": tenant}
    for name in ("mission_id", "node"):
        if name in about:
            terms.append(f"{name} = {{{name}:String}}")
            parameters[name] = about[name]
    for name, kind in (("epoch", "UInt32"), ("seq", "UInt64"), ("index", "UInt32")):
        if name in about:
            terms.append(f"`{name}` = {{{name}:{kind}}}")
            parameters[name] = about[name]
    return " AND ".join(terms), dict(parameters)


def _line(value: dict[str, Any]) -> bytes:
    return msgspec.json.encode(value) + b"\n"
