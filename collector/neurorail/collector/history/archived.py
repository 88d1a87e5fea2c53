"""Archived events, read from the audit table. Values are always bound, never formatted in."""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec

from neurorail.collector.history.protocols import (
    Boundary,
    EventCounts,
    EventFilter,
    EventKey,
    HistoryUnavailable,
)
from neurorail.collector.store.errors import StoreError
from neurorail.collector.stream.event import EventLine, Position

_CHAIN: Final = ("mission_id", "plan_id", "job_id", "attempt_id", "resource_id", "entity_id")
_COLUMNS: Final = """node, epoch, seq, `index`, tenant,
toUnixTimestamp64Nano(timestamp) AS received, event_time_unix_nano, channel, event_type,
event_category, severity, message, details, mission_id, plan_id, job_id, attempt_id, resource_id,
entity_type, entity_id, principal, lower(hex(details_hash)) AS details_hex,
lower(hex(prev_hash)) AS prev_hex, lower(hex(hash)) AS hash_hex"""
_KEY: Final = "(timestamp, node, epoch, seq, `index`)"
_KEY_VALUE: Final = (
    "(fromUnixTimestamp64Nano({key_time:Int64}), {key_node:String}, {key_epoch:UInt32}, "
    "{key_seq:UInt64}, {key_index:UInt32})"
)

_WINDOW_RECORDS: Final = 512
"""Records looked at together for the end of a page, of those that may follow by the million."""

Parameters = dict[str, Any]


class _Store(Protocol):
    async def query_async(
        self, sql: str, parameters: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]: ...


class StoreHistory:
    """The history of a tenant, over a store's reader clients."""

    def __init__(self, store: _Store) -> None:
        self._store = store

    async def events(
        self, wanted: EventFilter, *, before: EventKey | None, limit: int, outside: Boundary | None
    ) -> list[EventLine]:
        """At most `limit` events, newest first, all older than `before`."""
        where, parameters = _where(wanted, outside)
        if before is not None:
            where += f" AND {_KEY} < {_KEY_VALUE}"
            parameters |= _key_parameters(before)
        return await self._lines(where, parameters, "DESC", limit)

    async def newer(
        self, wanted: EventFilter, *, after: EventKey | None, limit: int, outside: Boundary | None
    ) -> list[EventLine]:
        """At most `limit` events, oldest first, all newer than `after`."""
        where, parameters = _where(wanted, outside)
        if after is not None:
            where += f" AND {_KEY} > {_KEY_VALUE}"
            parameters |= _key_parameters(after)
        return await self._lines(where, parameters, "ASC", limit)

    async def key_at(
        self, wanted: EventFilter, *, before: EventKey | None, skip: int, outside: Boundary | None
    ) -> EventKey | None:
        """The last of the `skip` newest events older than `before`; None if there are fewer."""
        where, parameters = _where(wanted, outside)
        if before is not None:
            where += f" AND {_KEY} < {_KEY_VALUE}"
            parameters |= _key_parameters(before)
        # The narrow columns alone, in the order of the table.
        rows = await self._query(
            "SELECT toUnixTimestamp64Nano(timestamp) AS received, node, epoch, seq, `index` "
            f"FROM neurorail_audit WHERE {where} ORDER BY {_order('DESC')} "
            "LIMIT 1 OFFSET {over:UInt32}",
            {**parameters, "over": skip - 1},
        )
        names = ("received", "node", "epoch", "seq", "index")
        return EventKey(*(rows[0][name] for name in names)) if rows else None

    async def counts(self, wanted: EventFilter, *, outside: Boundary | None) -> EventCounts:
        """Counts of events, by type, severity and category."""
        where, parameters = _where(wanted, None)
        by = "GROUP BY event_type, severity, event_category"

        def counted(amount: str, where: str) -> str:
            return (
                f"SELECT event_type, severity, event_category, {amount} AS events "
                f"FROM neurorail_audit WHERE {where} {by}"
            )

        sql = counted("toInt64(count())", where)
        if outside is not None:
            # All, which a projection has counted, less the newest, which are few: both of one
            # moment, in one query. A condition on positions would have every row read.
            beyond, parameters = _beyond(parameters, outside)
            less = counted("-toInt64(count())", f"{where} AND {beyond}")
            sql = (
                "SELECT event_type, severity, event_category, sum(events) AS events "
                f"FROM ({sql} UNION ALL {less}) {by} "
                "HAVING events > 0"
            )
        rows = await self._query(sql, parameters)
        counts = EventCounts()
        for row in rows:
            counts.add(row["event_type"], row["severity"], row["event_category"], row["events"])
        return counts

    async def after_position(
        self, node: str, position: Position, limit: int, outside: Boundary | None
    ) -> list[EventLine]:
        """At most `limit` events of one node after a position, oldest first, of all tenants."""
        epoch, seq, index = position
        where = "node = {node:String} AND seq >= {seq:UInt64}"
        where += " AND (epoch, seq, `index`) > ({epoch:UInt32}, {seq:UInt64}, {index:UInt32})"
        parameters: Parameters = {"node": node, "epoch": epoch, "seq": seq, "index": index}
        where, parameters = _outside(where, parameters, outside)
        first = seq
        while True:
            # First where the page ends, from the narrow columns; then its rows, with their details.
            window = {**parameters, "page": limit, "until": first + _WINDOW_RECORDS}
            ends = await self._query(
                f"SELECT max(seq) AS last FROM (SELECT seq FROM neurorail_audit WHERE {where} "
                "AND seq < {until:UInt64} ORDER BY seq LIMIT {page:UInt32})",
                window,
            )
            last = ends[0]["last"] if ends else 0
            if last:
                break
            later = await self._query(
                f"SELECT min(seq) AS first FROM neurorail_audit WHERE {where} "
                "AND seq >= {until:UInt64}",
                window,
            )
            first = later[0]["first"] if later else 0
            if not first:
                return []
        where += " AND seq <= {last:UInt64}"
        rows = await self._query(
            f"SELECT {_COLUMNS} FROM neurorail_audit WHERE {where} "
            "ORDER BY epoch, seq, `index` LIMIT {page:UInt32}",
            {**parameters, "last": last, "page": limit},
        )
        return [_line(row) for row in rows]

    async def _lines(
        self, where: str, parameters: Parameters, direction: str, limit: int
    ) -> list[EventLine]:
        rows = await self._query(
            f"SELECT {_COLUMNS} FROM neurorail_audit WHERE {where} "
            f"ORDER BY {_order(direction)} LIMIT {{page:UInt32}}",
            {**parameters, "page": limit},
        )
        return [_line(row) for row in rows]

    async def _query(self, sql: str, parameters: Parameters) -> list[dict[str, Any]]:
        try:
            return await self._store.query_async(sql, parameters)
        except StoreError as error:
            raise HistoryUnavailable(f"the archive does not answer: {error}") from error


def _order(direction: str) -> str:
    columns = ("timestamp", "node", "epoch", "seq", "`index`")
    return ", ".join(f"{column} {direction}" for column in columns)


def _where(wanted: EventFilter, outside: Boundary | None) -> tuple[str, Parameters]:
    terms = ["tenant = {tenant:String}"]
    parameters: Parameters = {"tenant": wanted.tenant}
    equal = {
        **{name: value for name, value in wanted.chain.items() if name in _CHAIN},
        "channel": wanted.channel,
        "event_type": wanted.event_type,
        "event_category": wanted.event_category,
    }
    for name, value in equal.items():
        if value is not None:
            terms.append(f"{name} = {{{name}:String}}")
            parameters[name] = value
    if wanted.event_types:
        terms.append("event_type IN {event_types:Array(String)}")
        parameters["event_types"] = list(wanted.event_types)
    if wanted.severities:
        terms.append("severity IN {severities:Array(String)}")
        parameters["severities"] = list(wanted.severities)
    for name, sign, moment in (
        ("since", ">=", wanted.since_unix_nano),
        ("until", "<", wanted.until_unix_nano),
    ):
        if moment is not None:
            terms.append(f"timestamp {sign} fromUnixTimestamp64Nano({{{name}:Int64}})")
            parameters[name] = moment
    return _outside(" AND ".join(terms), parameters, outside)


def _outside(
    where: str, parameters: Parameters, outside: Boundary | None
) -> tuple[str, Parameters]:
    if outside is None:
        return where, parameters
    epoch, seq, index = outside.position
    where += (
        " AND (node != {out_node:String} OR (epoch, seq, `index`) < "
        "({out_epoch:UInt32}, {out_seq:UInt64}, {out_index:UInt32}))"
    )
    return where, {
        **parameters,
        "out_node": outside.node,
        "out_epoch": epoch,
        "out_seq": seq,
        "out_index": index,
    }


def _beyond(parameters: Parameters, outside: Boundary) -> tuple[str, Parameters]:
    """The events of the boundary's node at or after its position."""
    _, more = _outside("", parameters, outside)
    return (
        "node = {out_node:String} AND seq >= {out_seq:UInt64} AND (epoch, seq, `index`) >= "
        "({out_epoch:UInt32}, {out_seq:UInt64}, {out_index:UInt32})"
    ), more


def _key_parameters(key: EventKey) -> Parameters:
    return {
        "key_time": key.timestamp_unix_nano,
        "key_node": key.node,
        "key_epoch": key.epoch,
        "key_seq": key.seq,
        "key_index": key.place,
    }


def _line(row: dict[str, Any]) -> EventLine:
    return EventLine(
        timestamp_unix_nano=row["received"],
        details_hash=row["details_hex"],
        prev_hash=row["prev_hex"],
        hash=row["hash_hex"],
        data=msgspec.Raw(row["details"].encode() or b"{}"),  # Empty: they were erased.
        **{
            name: row[name]
            for name in (
                "node", "epoch", "seq", "index", "tenant", "event_time_unix_nano", "channel",
                "event_type", "event_category", "severity", "message", "entity_type", "principal",
                *_CHAIN,
            )
        },
    )  # fmt: skip
