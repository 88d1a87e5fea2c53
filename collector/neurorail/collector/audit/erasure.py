"""Takes out of the archive what it holds of missions, and leaves the audit chain whole.

The chain covers a hash of each event's details: the details go, the hash stays. Everything that is
derived from events, the telemetry of the missions' traces, and what replay would read, is deleted.
"""

from __future__ import annotations

import re
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
_TELEMETRY: Final = (
    "otel_traces",
    "otel_logs",
    "otel_traces_trace_id_ts",
    "otel_traces_mission_ts",
)
_DERIVED_ID: Final = re.compile(r"m_([0-9a-f]{32})")
_AT_ONCE: Final = {"mutations_sync": 2, "lightweight_deletes_sync": 2}


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


def erase_missions(store: Archive, tenant: str, missions: Sequence[str]) -> None:
    """Take what the archive holds of missions out of it, and wait until that is done. Blocks.

    Raises:
        StoreError: the archive cannot be written; it may be done again.
    """
    for chunk in _chunks(missions):
        named = {"tenant": tenant, "missions": chunk}
        of_missions = "tenant = {tenant:String} AND mission_id IN {missions:Array(String)}"
        # Telemetry first: by its rows the traces are found.
        traces = _traces(store, tenant, chunk)
        for part in _chunks(traces):
            for table in _TELEMETRY:
                store.command(
                    f"DELETE FROM {table} WHERE Tenant = {{tenant:String}} "
                    "AND TraceId IN {traces:Array(String)}",
                    {"tenant": tenant, "traces": part},
                    _AT_ONCE,
                )
        store.command(
            "DELETE FROM otel_logs WHERE Tenant = {tenant:String} "
            "AND LogAttributes['neurorail.mission.id'] IN {missions:Array(String)}",
            named,
            _AT_ONCE,
        )
        for table in _DERIVED:
            store.command(f"DELETE FROM {table} WHERE {of_missions}", named, _AT_ONCE)
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
