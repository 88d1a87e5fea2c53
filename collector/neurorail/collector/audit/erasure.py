"""Takes out of the archive what it holds of missions, and leaves the audit chain whole.

The chain covers a hash of each event's details: the details go, the hash stays. Everything that is
derived from events, the telemetry of the missions' traces, and what replay would read, is deleted:
by mutations, which write the parts anew without it. A lightweight delete would only hide the rows.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

MISSIONS_MAX: Final = 100_000
"""Missions that one erasure takes."""
CHUNK: Final = 200
"""Missions a statement: ClickHouse searches for at most 255 texts at once."""
SUBJECT_ATTRIBUTES: Final = ("user.id", "enduser.id")
SUBJECT_TAG: Final = "subject"
_DERIVED: Final = (
    "neurorail_state_transitions",
    "governor_decisions",
    "neurorail_metrics_snapshots",
    "neurorail_usage",
    "neurorail_entities",
    "neurorail_callers",
)
_OF_TRACES: Final = (
    "otel_traces",
    "otel_logs",
    "otel_traces_trace_id_ts",
    "otel_traces_mission_ts",
)
_DERIVED_ID: Final = re.compile(r"m_([0-9a-f]{32})")
_METRICS: Final = (
    "otel_metrics_gauge",
    "otel_metrics_sum",
    "otel_metrics_summary",
    "otel_metrics_histogram",
    "otel_metrics_exp_histogram",
)
_WITHOUT_EXEMPLARS: Final = "otel_metrics_summary"
_TELEMETRY: Final = (*_OF_TRACES, *_METRICS)
_STATES: Final = "neurorail_engine_states"
_REWRITTEN: Final = (
    *_TELEMETRY, *_DERIVED, _STATES,
    "neurorail_records", "neurorail_dead_letter", "neurorail_audit",
)  # fmt: skip
CLEANUP_S: Final = 600
"""With nothing to do, ClickHouse pauses at most so long until it looks for replaced parts again."""
_AT_ONCE: Final = {"mutations_sync": 2}


class Archive(Protocol):
    """A store, as far as erasure uses it."""

    def query_rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Sequence[Any]]:
        """Rows of a SELECT."""
        ...

    def command(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """A statement that answers nothing."""
        ...


def missions_of_tenant(store: Archive, tenant: str) -> list[str]:
    """Every mission of a tenant that the audit trail names. Blocks.

    Raises:
        StoreError: the archive cannot be read.
    """
    rows = store.query_rows(
        "SELECT DISTINCT mission_id FROM neurorail_audit WHERE tenant = {tenant:String} "
        "AND mission_id != '' ORDER BY mission_id LIMIT {most:UInt32}",
        {"tenant": tenant, "most": MISSIONS_MAX},
    )
    return [mission for (mission,) in rows]


def missions_of_subject(store: Archive, tenant: str, subject: str) -> list[str]:
    """Missions whose tag `subject`, or whose spans' user id, is this text. Blocks.

    Raises:
        StoreError: the archive cannot be read.
    """
    rows = store.query_rows(
        "SELECT DISTINCT entity_id FROM neurorail_entities WHERE tenant = {tenant:String} "
        "AND entity_type = 'mission' AND tags[{tag:String}] = {subject:String} "
        "UNION DISTINCT SELECT DISTINCT if(SpanAttributes['neurorail.mission.id'] != '', "
        "SpanAttributes['neurorail.mission.id'], concat('m_', TraceId)) FROM otel_traces "
        "WHERE Tenant = {tenant:String} AND arrayExists(name -> "
        "SpanAttributes[name] = {subject:String} OR ResourceAttributes[name] = {subject:String}, "
        "{names:Array(String)})",
        {"tenant": tenant, "subject": subject, "tag": SUBJECT_TAG,
         "names": list(SUBJECT_ATTRIBUTES)},
    )  # fmt: skip
    return sorted(mission for (mission,) in rows)[:MISSIONS_MAX]


def erase_missions(store: Archive, tenant: str, missions: Sequence[str]) -> bool:
    """Take what the archive holds of missions out of it, and wait until that is done. Blocks.

    Returns:
        Whether it knows any of them: of what was erased before, the trail still has the hashes.

    Raises:
        StoreError: the archive cannot be written; it may be done again.
    """
    known = False
    of_missions = "tenant = {tenant:String} AND mission_id IN {missions:Array(String)}"
    for chunk in _chunks(missions):
        named = {"tenant": tenant, "missions": chunk}
        known |= _is_any(store, "neurorail_audit", of_missions, named)
        # Telemetry first: by its rows the traces are found.
        for traces in _chunks(_traces(store, tenant, chunk)):
            known |= _erase_traces(store, tenant, traces)
        for table, attributes in (("otel_logs", "LogAttributes"),
                                  *((table, "Attributes") for table in _METRICS)):  # fmt: skip
            known |= _delete(
                store,
                table,
                f"Tenant = {{tenant:String}} AND ({attributes}['neurorail.mission.id'] IN "
                "{missions:Array(String)} OR ResourceAttributes['neurorail.mission.id'] IN "
                "{missions:Array(String)})",
                named,
            )
        for table in _DERIVED:
            known |= _delete(store, table, of_missions, named)
        for table, column in (("neurorail_records", "observations"),
                              ("neurorail_dead_letter", "body")):  # fmt: skip
            store.command(
                f"ALTER TABLE {table} UPDATE {column} = '' WHERE tenant = {{tenant:String}} "
                f"AND multiSearchAny({column}, {{texts:Array(String)}})",
                {"tenant": tenant, "texts": chunk},
                _AT_ONCE,
            )
        store.command(
            "ALTER TABLE neurorail_audit UPDATE details = '', caused_by_agent = '', "
            f"caused_by_event = '' WHERE {of_missions}",
            named,
            _AT_ONCE,
        )
    return known


def erase_subject(store: Archive, tenant: str, subject: str) -> bool:
    """Take telemetry out that names a person and belongs to no mission. Blocks.

    Returns:
        Whether there was any.

    Raises:
        StoreError: the archive cannot be written; it may be done again.
    """
    # ClickHouse keeps the text of what it did for a while: the person's name is not in it.
    keys = (secrets.randbits(64), secrets.randbits(64))
    rows = store.query_rows(
        f"SELECT sipHash64Keyed(({keys[0]}, {keys[1]}), {{subject:String}})", {"subject": subject}
    )
    hashed = f"sipHash64Keyed(({keys[0]}, {keys[1]}), "
    values = {"tenant": tenant, "hash": rows[0][0], "names": list(SUBJECT_ATTRIBUTES)}
    known = False
    for table, attributes in (("otel_traces", "SpanAttributes"), ("otel_logs", "LogAttributes"),
                              *((table, "Attributes") for table in _METRICS)):  # fmt: skip
        known |= _delete(
            store,
            table,
            "Tenant = {tenant:String} AND arrayExists(name -> "
            f"{hashed}{attributes}[name]) = {{hash:UInt64}} OR "
            f"{hashed}ResourceAttributes[name]) = {{hash:UInt64}}, {{names:Array(String)}})",
            values,
        )
    return known


def erase_telemetry(store: Archive, tenant: str) -> bool:
    """Take all telemetry of a tenant out, also what belongs to no mission. Blocks.

    Returns:
        Whether there was any.

    Raises:
        StoreError: the archive cannot be written; it may be done again.
    """
    known = False
    for table in _TELEMETRY:
        known |= _delete(store, table, "Tenant = {tenant:String}", {"tenant": tenant})
    return known


def forget_states(store: Archive) -> None:
    """Drop the stored states of the engine, which know tags and names. Blocks.

    The next one is stored as usual; until then a replay begins with the first record.
    """
    _delete(store, _STATES, "seq >= 0", {})


def discard_replaced(store: Archive) -> None:
    """Take parts that were replaced off the disk of ClickHouse, as far as it may do so now. Blocks.

    It keeps them as long as its `old_parts_lifetime` says, and while a query reads them; by itself
    it looks for them seldom where little is written. Replicas do so by themselves.

    Raises:
        StoreError: the archive cannot be written; it may be done again.
    """
    tables = store.query_rows(
        "SELECT name FROM system.tables WHERE database = currentDatabase() "
        "AND name IN {names:Array(String)} AND NOT match(engine, '^(Replicated|Shared)')",
        {"names": list(_REWRITTEN)},
    )
    for (table,) in tables:
        # Nothing else makes it look at once. There is no such partition: nothing is dropped.
        store.command(f"ALTER TABLE {table} DROP PARTITION ID 'none'")


def seconds_to_disk(store: Archive) -> int:
    """Within how many seconds ClickHouse takes replaced parts off its disk. Blocks."""
    rows = store.query_rows(
        "SELECT toUInt64OrZero(value) FROM system.merge_tree_settings "
        "WHERE name = 'old_parts_lifetime'"
    )
    return CLEANUP_S + sum(int(seconds) for (seconds,) in rows)


def _erase_traces(store: Archive, tenant: str, traces: Sequence[str]) -> bool:
    known = False
    of_traces = "Tenant = {tenant:String} AND TraceId IN {traces:Array(String)}"
    values = {"tenant": tenant, "traces": traces}
    for table in _OF_TRACES:
        known |= _delete(store, table, of_traces, values)
    for table in _METRICS:
        if table != _WITHOUT_EXEMPLARS:
            where = "Tenant = {tenant:String} AND hasAny(Exemplars.TraceId, {traces:Array(String)})"
            known |= _delete(store, table, where, values)
    return known


def _is_any(store: Archive, table: str, where: str, values: Mapping[str, Any]) -> bool:
    return bool(store.query_rows(f"SELECT 1 FROM {table} WHERE {where} LIMIT 1", values))


def _delete(store: Archive, table: str, where: str, values: Mapping[str, Any]) -> bool:
    """Remove rows, if there are any, by writing their parts anew; wait until that is done."""
    if not _is_any(store, table, where, values):
        return False
    store.command(f"ALTER TABLE {table} DELETE WHERE {where}", values, _AT_ONCE)
    return True


def _traces(store: Archive, tenant: str, missions: Sequence[str]) -> list[str]:
    derived = [found[1] for each in missions if (found := _DERIVED_ID.fullmatch(each))]
    rows = store.query_rows(
        "SELECT DISTINCT TraceId FROM otel_traces WHERE Tenant = {tenant:String} "
        "AND (SpanAttributes['neurorail.mission.id'] IN {missions:Array(String)} "
        "OR TraceId IN {derived:Array(String)})",
        {"tenant": tenant, "missions": list(missions), "derived": derived},
    )
    return sorted({*derived, *(trace for (trace,) in rows)})


def _chunks(texts: Sequence[str]) -> Iterator[list[str]]:
    for at in range(0, len(texts), CHUNK):
        yield list(texts[at : at + CHUNK])
