"""The formats in which ClickHouse itself reads OTLP requests and event lines."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from neurorail.collector.envelope import Signal

if TYPE_CHECKING:
    from collections.abc import Mapping

EVENTS_TABLE: Final = "neurorail_events_in"
EVENTS_FORMAT: Final = "JSONCompactEachRow"
PROTOBUF_FORMAT: Final = "Protobuf"

BLOCK_ROWS_MAX: Final = 1_048_576
"""One insert is one block, so that a part holds whole requests and is there whole or not at all."""

_ONE_BLOCK: Final = MappingProxyType(
    {
        "max_block_size": BLOCK_ROWS_MAX,
        "max_insert_block_size": BLOCK_ROWS_MAX,
        "min_insert_block_size_rows": BLOCK_ROWS_MAX,
        "min_insert_block_size_bytes": 1 << 30,
        "deduplicate_blocks_in_dependent_materialized_views": 1,
        # Evaluating every branch of the views for every value is faster than picking rows apart.
        "short_circuit_function_evaluation": "disable",
        # A month's end or midnight splits a block in two; nothing else does.
        "max_partitions_per_insert_block": 100,
    }
)


def one_block_settings(token: str) -> dict[str, object]:
    """Settings of every insert: one block, which counts once however often it is sent."""
    return {**_ONE_BLOCK, "insert_deduplication_token": token}


@dataclass(frozen=True, slots=True)
class Source:
    """Where the requests of one signal go in, and the tables in which their rows come out."""

    table: str
    targets: tuple[str, ...]
    schema: str

    def settings(self, token: str) -> dict[str, object]:
        """Settings of an insert into `table`."""
        return {
            **one_block_settings(token),
            "format_schema_source": "string",
            "format_schema": self.schema,
            "format_schema_message_name": "Frame",
            "input_format_protobuf_oneof_presence": 1,
        }


def _schema(name: str) -> str:
    return (files("neurorail.collector.archive") / "schema" / f"{name}.proto").read_text("utf-8")


def telemetry_sources() -> Mapping[Signal, Source]:
    """The source of each signal."""
    kinds = ("gauge", "sum", "summary", "histogram", "exp_histogram")
    return {
        Signal.TRACES: Source("otlp_traces_in", ("otel_traces",), _schema("traces")),
        Signal.LOGS: Source("otlp_logs_in", ("otel_logs",), _schema("logs")),
        Signal.METRICS: Source(
            "otlp_metrics_in",
            tuple(f"otel_metrics_{kind}" for kind in kinds),
            _schema("metrics"),
        ),
    }


def event_settings(token: str) -> dict[str, object]:
    """Settings of an insert of event lines: `data` is kept as the text it is."""
    return {
        **one_block_settings(token),
        "input_format_json_read_objects_as_strings": 1,
        "input_format_json_compact_allow_variable_number_of_columns": 1,
        # One thread after the other costs less, and is faster than events are made.
        "input_format_parallel_parsing": 0,
    }
