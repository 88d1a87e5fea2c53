"""What was consumed, added up over groups, from the archive's rows of calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from neurorail.collector.history.entities import Queries
from neurorail.collector.history.large_sets import READ_LARGE_SETS
from neurorail.collector.history.protocols import HistoryUnavailable
from neurorail.collector.store.errors import StoreError

GROUPS: Final = MappingProxyType(
    {
        "agent": "u.agent",
        "service": "u.service",
        "model": "u.model",
        "provider": "u.provider",
        "operation": "u.operation",
        "tool": "u.tool",
        "mission": "u.mission_id",
        "job_type": "j.kind",
        "tag": "m.value",
        "hour": "toStartOfHour(toDateTime(u.event_time, 'UTC'))",
        "day": "toStartOfDay(toDateTime(u.event_time, 'UTC'))",
    }
)
"""What usage may be grouped by, and the column of each."""

_ENTITIES: Final = (
    "FROM neurorail_entities WHERE tenant = {tenant:String} "
    "AND created < fromUnixTimestamp64Nano({created_before:Int64}) "
    "AND timestamp >= fromUnixTimestamp64Nano({ended_after:Int64})"
)
_JOINS: Final = MappingProxyType(
    {
        "job_type": f"LEFT ANY JOIN (SELECT entity_id, kind {_ENTITIES} AND entity_type = 'job' "
        "AND entity_id IN (SELECT u.job_id CALLS)) AS j ON j.entity_id = u.job_id",
        "tag": f"LEFT ANY JOIN (SELECT entity_id, tags[{{tag:String}}] AS value {_ENTITIES} "
        "AND entity_type = 'mission' AND mapContains(tags, {tag:String}) "
        "AND entity_id IN (SELECT u.mission_id CALLS)) AS m ON m.entity_id = u.mission_id",
    }
)
"""Entities that made one of the calls; all that ever ended would be too many."""
_SKEW_NS: Final = 86_400 * 10**9
"""A call does not end longer before the creation of what it belongs to: clocks may differ."""
_AFTERWARDS_NS: Final = 30 * 86_400 * 10**9
"""A call does not end longer after the end of what it belongs to."""
_TIME_MAX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """A conjunction; what is None restricts nothing."""

    tenant: str
    since_unix_nano: int
    until_unix_nano: int
    """Calls that ended from `since` to before `until`."""
    agent: str | None = None
    model: str | None = None
    provider: str | None = None
    mission_id: str | None = None


class UsageSums:
    """Sums over calls. Raises HistoryUnavailable when ClickHouse cannot be asked."""

    def __init__(self, store: Queries) -> None:
        self._store = store

    async def grouped(
        self, wanted: UsageFilter, groups: Sequence[str], tag: str | None, limit: int
    ) -> list[dict[str, Any]]:
        """Sums by group, the most expensive first; time groups in their order.

        Args:
            wanted: which calls.
            groups: names out of `GROUPS`, each once.
            tag: the key of the tag that the group `tag` means.
            limit: most groups.
        """
        where = (
            "u.tenant = {tenant:String} AND u.event_time >= fromUnixTimestamp64Nano({since:Int64})"
            " AND u.event_time < fromUnixTimestamp64Nano({until:Int64})"
        )
        parameters: dict[str, Any] = {
            "tenant": wanted.tenant,
            "since": wanted.since_unix_nano,
            "until": wanted.until_unix_nano,
            "tag": tag or "",
            "created_before": min(wanted.until_unix_nano + _SKEW_NS, _TIME_MAX),
            "ended_after": max(wanted.since_unix_nano - _AFTERWARDS_NS, 0),
            "most": limit,
        }
        for name in ("agent", "model", "provider", "mission_id"):
            value = getattr(wanted, name)
            if value is not None:
                where += f" AND u.{name} = {{{name}:String}}"
                parameters[name] = value
        named = "".join(f"{GROUPS[name]} AS {name}_group, " for name in groups)
        by = ", ".join(f"{name}_group" for name in groups)
        calls = f"FROM neurorail_usage AS u WHERE {where}"
        joins = " ".join(_JOINS[name].replace("CALLS", calls) for name in groups if name in _JOINS)
        times = [f"{name}_group" for name in groups if name in ("hour", "day")]
        order = ", ".join([*times, "cost_usd_pico DESC", "calls DESC", *([by] if by else [])])
        sql = (
            f"SELECT {named} sum(u.calls) AS calls, sum(u.unpriced) AS unpriced_calls, "
            "sum(u.input_tokens) AS input_tokens, sum(u.output_tokens) AS output_tokens, "
            "sum(u.cost_usd_pico) AS cost_usd_pico "
            f"FROM neurorail_usage AS u {joins} WHERE {where} "
            + (f"GROUP BY {by} ORDER BY {order} LIMIT {{most:UInt32}} " if by else "")
            + (READ_LARGE_SETS if joins else "")
        )
        try:
            return await self._store.query_async(sql, parameters)
        except StoreError as error:
            raise HistoryUnavailable(f"the archive does not answer: {error}") from error
