"""Lists of missions, plans, jobs and attempts: what is open, and what has ended.

What is open is the engine's; what has ended is first in the outbox, then in ClickHouse. They are
asked in that order, in which entities move, so that each is found at least once; one that is found
twice counts once. All lists have one order, the newest first: creation time, then id.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from neurorail.collector.history.large_sets import READ_LARGE_SETS
from neurorail.collector.history.protocols import EventFilter, EventKey, HistoryUnavailable
from neurorail.collector.store.errors import StoreError
from neurorail.collector.stream.event import EventLine
from neurorail.collector.views import EntityView
from neurorail.rules.lifecycle import TERMINAL

OPEN_MAX: Final = 5_000
"""Open entities that a list looks at, the newest."""
RECENT_MAX: Final = 5_000
"""Ended entities read from the outbox; more wait there only while ClickHouse is away."""


class ListKey(NamedTuple):
    """The place of an entity in a list; the cursor."""

    created_unix_nano: int
    entity_id: str


@dataclass(frozen=True, slots=True)
class EntityFilter:
    """A conjunction; what is None or empty restricts nothing."""

    tenant: str
    entity_type: str
    states: tuple[str, ...] = ()
    since_unix_nano: int | None = None
    """Created at or after."""
    until_unix_nano: int | None = None
    """Created before."""
    tags: Mapping[str, str] = field(default_factory=dict)
    agent: str | None = None
    """It says so itself, or calls below it do."""
    model: str | None = None
    """The same."""
    kind: str | None = None
    """Job type or plan type."""
    error_code: str | None = None
    mission_id: str | None = None
    job_id: str | None = None
    cost_above_usd_pico: int | None = None
    duration_above_ms: int | None = None

    @property
    def is_sure(self) -> bool:
        """Whether an entity alone tells if it passes, without its calls."""
        return self.agent is None and self.model is None

    def matches(self, row: EntityRow, using: Container[str]) -> bool:
        """Whether an entity passes; `using` are those whose calls name the agent and the model."""
        return (
            row.entity_type == self.entity_type
            and (not self.states or row.state in self.states)
            and (self.since_unix_nano is None or row.created_unix_nano >= self.since_unix_nano)
            and (self.until_unix_nano is None or row.created_unix_nano < self.until_unix_nano)
            and all(row.tags.get(key) == value for key, value in self.tags.items())
            and (self.agent in (None, row.agent) or row.entity_id in using)
            and (self.model in (None, row.model) or row.entity_id in using)
            and self.kind in (None, row.kind)
            and self.error_code in (None, row.error_code)
            and self.mission_id in (None, row.mission_id)
            and self.job_id in (None, row.job_id)
            and (self.cost_above_usd_pico is None or row.cost_usd_pico > self.cost_above_usd_pico)
            and (
                self.duration_above_ms is None
                or (row.duration_ms is not None and row.duration_ms > self.duration_above_ms)
            )
        )


class EntityRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a list knows of an entity. Times are 0 where they have not happened."""

    entity_type: str
    entity_id: str
    state: str
    created_unix_nano: int
    started_unix_nano: int = 0
    ended_unix_nano: int = 0
    duration_ms: int | None = None
    kind: str = ""
    agent: str = ""
    service: str = ""
    model: str = ""
    tags: dict[str, str] = {}
    error_code: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd_pico: int = 0
    tool_calls: int = 0
    attempt_count: int = 0
    retry_count: int = 0
    mission_id: str = ""
    plan_id: str = ""
    job_id: str = ""

    @property
    def key(self) -> ListKey:
        """Its place in a list."""
        return ListKey(self.created_unix_nano, self.entity_id)


class OpenEntities(Protocol):
    """The engine, as far as lists ask it."""

    async def open_entities(
        self, wanted: EntityFilter, after: ListKey | None, limit: int
    ) -> Sequence[EntityRow]:
        """Entities that have not ended, are in memory and may pass, newest first.

        Where an agent or a model is wanted only calls tell: then all that may pass, else `limit`.
        """
        ...


class EndedRecently(Protocol):
    """The outbox, as far as lists ask it."""

    async def newest(
        self, wanted: EventFilter, *, before: EventKey | None, limit: int
    ) -> list[EventLine]:
        """The newest events that match."""
        ...


class Queries(Protocol):
    """A store that answers reads."""

    async def query_async(
        self, sql: str, parameters: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """The rows of a SELECT."""
        ...


@dataclass(frozen=True, slots=True)
class EntityPage:
    """Some entities, newest first, and where to go on; None when there are no more."""

    rows: list[EntityRow]
    next_key: ListKey | None


class EntityLists:
    """Lists over all three. Raises HistoryUnavailable when ClickHouse cannot be asked."""

    def __init__(self, engine: OpenEntities, recent: EndedRecently, store: Queries) -> None:
        self._engine = engine
        self._recent = recent
        self._store = store

    async def page(
        self, wanted: EntityFilter, *, after: ListKey | None, limit: int, skip: int = 0
    ) -> EntityPage:
        """A page of entities, newest first, after passing over `skip` of them."""
        if skip:
            after = await self._key_at(wanted, after, skip)
            if after is None:
                return EntityPage([], None)
        open_now: Sequence[EntityRow] = ()
        if not wanted.states or not TERMINAL.issuperset(wanted.states):
            open_now = await self._engine.open_entities(wanted, after, limit + 1)
        recent = await self._ended_recently(wanted)
        archived = await self._archived(wanted, after, limit + 1)
        found: dict[str, EntityRow] = {}
        # What ended later wins over what was still open when the engine was asked.
        for row in (*archived, *recent, *open_now):
            found.setdefault(row.entity_id, row)
        # What the archive gave passes already.
        unsure = found.keys() - {row.entity_id for row in archived}
        using = {row.entity_id for row in archived} | await self._using(wanted, sorted(unsure))
        rows = [row for row in found.values() if wanted.matches(row, using)]
        if after is not None:
            rows = [row for row in rows if row.key < after]
        rows.sort(key=lambda row: row.key, reverse=True)
        # Older than the last open one there may be more that are open.
        cut = open_now[-1].key if wanted.is_sure and len(open_now) > limit else None
        if cut is not None:
            rows = [row for row in rows if row.key >= cut]
        page = rows[:limit]
        return EntityPage(page, page[-1].key if len(rows) > limit else cut)

    async def _key_at(
        self, wanted: EntityFilter, after: ListKey | None, skip: int
    ) -> ListKey | None:
        """The place of the last entity to pass over; None if there are fewer.

        What is not archived lies anywhere among what is: of that, the keys are read by which both
        can differ. While entities end it may be off by those that move.
        """
        ahead = await self._not_archived(wanted, after)
        first = max(0, skip - len(ahead) - 1)
        where, parameters = _where_after(wanted, after)
        sql = (
            "SELECT toUnixTimestamp64Nano(created) AS created_unix_nano, entity_id "
            f"FROM neurorail_entities WHERE {where} ORDER BY created DESC, entity_id DESC "
            f"LIMIT {{page:UInt32}} OFFSET {{first:UInt32}} {READ_LARGE_SETS}"
        )
        rows = await self._query(sql, {**parameters, "page": skip - first, "first": first})
        keys = {ListKey(row["created_unix_nano"], row["entity_id"]) for row in rows} | ahead
        found = sorted(keys, reverse=True)
        return found[skip - first - 1] if len(found) >= skip - first else None

    async def _not_archived(self, wanted: EntityFilter, after: ListKey | None) -> set[ListKey]:
        """The places of those that are open or ended a moment ago."""
        found = {row.entity_id: row for row in await self._ended_recently(wanted)}
        for entity_id in await self._archived_of(wanted, sorted(found)):
            del found[entity_id]
        open_now = await self._engine.open_entities(wanted, after, OPEN_MAX)
        found |= {row.entity_id: row for row in open_now if row.entity_id not in found}
        using = await self._using(wanted, sorted(found))
        return {
            row.key
            for row in found.values()
            if wanted.matches(row, using) and (after is None or row.key < after)
        }

    async def _ended_recently(self, wanted: EntityFilter) -> list[EntityRow]:
        ended = EventFilter(wanted.tenant, event_type="metrics_recorded")
        recent = await self._recent.newest(ended, before=None, limit=RECENT_MAX)
        return [_row_of_event(line) for line in recent]

    async def _archived_of(self, wanted: EntityFilter, ids: list[str]) -> set[str]:
        """Which of the entities the archive has."""
        if not ids:
            return set()
        sql = (
            "SELECT entity_id FROM neurorail_entities WHERE tenant = {tenant:String} "
            "AND entity_type = {entity_type:String} AND entity_id IN {ids:Array(String)}"
        )
        asked = {"tenant": wanted.tenant, "entity_type": wanted.entity_type, "ids": ids}
        return {row["entity_id"] for row in await self._query(sql, asked)}

    async def _archived(
        self, wanted: EntityFilter, after: ListKey | None, limit: int
    ) -> list[EntityRow]:
        where, parameters = _where_after(wanted, after)
        sql = (
            f"SELECT {_COLUMNS} FROM neurorail_entities WHERE {where} "
            f"ORDER BY created DESC, entity_id DESC LIMIT {{page:UInt32}} {READ_LARGE_SETS}"
        )
        rows = await self._query(sql, {**parameters, "page": limit})
        return [msgspec.convert(row, EntityRow) for row in rows]

    async def _using(self, wanted: EntityFilter, ids: list[str]) -> set[str]:
        """Which of the entities have archived calls of the agent and the model wanted."""
        if not ids or wanted.is_sure:
            return set()
        calls, parameters = _calls(wanted)
        column = _CALL_COLUMNS[wanted.entity_type]
        sql = f"{calls} AND {column} IN {{ids:Array(String)}} GROUP BY {column}"
        rows = await self._query(sql, {**parameters, "tenant": wanted.tenant, "ids": ids})
        return {row[column] for row in rows}

    async def _query(self, sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        try:
            return await self._store.query_async(sql, parameters)
        except StoreError as error:
            raise HistoryUnavailable(f"the archive does not answer: {error}") from error


_COLUMNS: Final = """entity_type, entity_id, state,
toUnixTimestamp64Nano(created) AS created_unix_nano,
toUnixTimestamp64Nano(started) AS started_unix_nano,
toUnixTimestamp64Nano(ended) AS ended_unix_nano,
duration_ms, kind, agent, service, model, tags, error_code, input_tokens, output_tokens,
cost_usd_pico, tool_calls, attempt_count, retry_count, mission_id, plan_id, job_id"""


def _where(wanted: EntityFilter) -> tuple[str, dict[str, Any]]:
    terms = ["tenant = {tenant:String}", "entity_type = {entity_type:String}"]
    parameters: dict[str, Any] = {"tenant": wanted.tenant, "entity_type": wanted.entity_type}
    for name in ("kind", "error_code", "mission_id", "job_id"):
        value = getattr(wanted, name)
        if value is not None:
            terms.append(f"{name} = {{{name}:String}}")
            parameters[name] = value
    if wanted.agent is not None or wanted.model is not None:
        calls, more = _calls(wanted)
        own = " AND ".join(f"{name} = {{{name}:String}}" for name in more)
        terms.append(f"(({own}) OR entity_id IN ({calls}))")
        parameters |= more
    if wanted.states:
        terms.append("state IN {states:Array(String)}")
        parameters["states"] = list(wanted.states)
    for place, (key, value) in enumerate(wanted.tags.items()):
        terms.append(f"tags[{{tag{place}:String}}] = {{value{place}:String}}")
        terms.append(f"mapContains(tags, {{tag{place}:String}})")
        parameters |= {f"tag{place}": key, f"value{place}": value}
    for name, sign, moment in (
        ("since", ">=", wanted.since_unix_nano),
        ("until", "<", wanted.until_unix_nano),
    ):
        if moment is not None:
            terms.append(f"created {sign} fromUnixTimestamp64Nano({{{name}:Int64}})")
            parameters[name] = moment
    for column, least in (
        ("cost_usd_pico", wanted.cost_above_usd_pico),
        ("duration_ms", wanted.duration_above_ms),
    ):
        if least is not None:
            terms.append(f"{column} > {{{column}:Int64}}")
            parameters[column] = least
    return " AND ".join(terms), parameters


def _where_after(wanted: EntityFilter, after: ListKey | None) -> tuple[str, dict[str, Any]]:
    where, parameters = _where(wanted)
    if after is None:
        return where, parameters
    where += (
        " AND (created, entity_id) < "
        "(fromUnixTimestamp64Nano({after_time:Int64}), {after_id:String})"
    )
    return where, {
        **parameters, "after_time": after.created_unix_nano, "after_id": after.entity_id
    }  # fmt: skip


def _calls(wanted: EntityFilter) -> tuple[str, dict[str, Any]]:
    """A SELECT of the entities whose calls name the agent and the model."""
    named = {"agent": wanted.agent, "model": wanted.model}
    parameters = {name: value for name, value in named.items() if value is not None}
    terms = "".join(f" AND {name} = {{{name}:String}}" for name in parameters)
    column = _CALL_COLUMNS[wanted.entity_type]
    sql = f"SELECT {column} FROM neurorail_callers WHERE tenant = {{tenant:String}}{terms}"
    return sql, parameters


_CALL_COLUMNS: Final = MappingProxyType(
    {"mission": "mission_id", "job": "job_id", "attempt": "attempt_id"}
)


class _Recorded(msgspec.Struct, frozen=True):
    """What a `metrics_recorded` event holds, as far as lists show it."""

    entity_type: str
    entity_id: str
    state: str
    created_at_unix_nano: int
    started_at_unix_nano: int
    completed_at_unix_nano: int
    duration_ms: int | None
    input_tokens: int
    output_tokens: int
    cost_usd_pico: int
    tool_calls: int
    attempt_count: int
    retry_count: int
    error_code: str | None = None
    kind: str | None = None
    agent: str | None = None
    service: str | None = None
    model: str | None = None
    tags: dict[str, str] = {}
    mission_id: str = ""
    plan_id: str = ""
    job_id: str = ""


_RECORDED: Final = msgspec.json.Decoder(_Recorded)


def _row_of_event(line: EventLine) -> EntityRow:
    told = _RECORDED.decode(line.data)
    return EntityRow(
        entity_type=told.entity_type,
        entity_id=told.entity_id,
        state=told.state,
        created_unix_nano=told.created_at_unix_nano,
        started_unix_nano=told.started_at_unix_nano,
        ended_unix_nano=told.completed_at_unix_nano,
        duration_ms=told.duration_ms,
        kind=told.kind or "",
        agent=told.agent or "",
        service=told.service or "",
        model=told.model or "",
        tags=told.tags,
        error_code=told.error_code or "",
        input_tokens=told.input_tokens,
        output_tokens=told.output_tokens,
        cost_usd_pico=told.cost_usd_pico,
        tool_calls=told.tool_calls,
        attempt_count=told.attempt_count,
        retry_count=told.retry_count,
        mission_id=told.mission_id,
        plan_id=told.plan_id,
        job_id=told.job_id,
    )


def row_of_view(view: EntityView) -> EntityRow:
    """The row of an entity as the engine knows it."""
    fields, totals = view.fields, view.totals
    ended = bool(view.started_unix_nano and view.ended_unix_nano)
    took_ns = max(0, view.ended_unix_nano - view.started_unix_nano)
    return EntityRow(
        entity_type=view.entity_type,
        entity_id=view.entity_id,
        state=view.state,
        created_unix_nano=view.created_unix_nano,
        started_unix_nano=view.started_unix_nano,
        ended_unix_nano=view.ended_unix_nano,
        duration_ms=took_ns // 1_000_000 if ended else None,
        kind=fields.job_type or fields.plan_type or "",
        agent=fields.agent or "",
        service=fields.service or "",
        model=fields.model or "",
        tags=dict(fields.tags),
        error_code=view.error_code or "",
        input_tokens=totals.input_tokens,
        output_tokens=totals.output_tokens,
        cost_usd_pico=totals.cost_usd_pico,
        tool_calls=totals.tool_calls,
        attempt_count=totals.attempts,
        retry_count=totals.retries,
        mission_id=view.ids[0] or "",
        plan_id=view.ids[1] or "",
        job_id=view.ids[2] or "",
    )
