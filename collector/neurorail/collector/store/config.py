"""What can be configured about the store."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

RETENTION_TABLES: Final = (
    "otel_traces",
    "otel_traces_trace_id_ts",
    "otel_traces_mission_ts",
    "otel_logs",
    "otel_metrics_gauge",
    "otel_metrics_sum",
    "otel_metrics_summary",
    "otel_metrics_histogram",
    "otel_metrics_exp_histogram",
    "neurorail_metrics_snapshots",
)
"""Tables whose rows may expire. The audit and the other governance tables are never among them."""

DEFAULT_RETENTION_DAYS: Final = MappingProxyType(dict.fromkeys(RETENTION_TABLES, 30))


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """Where rows are kept and for how long."""

    url: str
    """`chdb:///absolute/directory` for the embedded engine, or a server's `http(s)://` address."""
    database: str = "neurorail"
    readers: int = 2
    """Clients that answer reads; as many reads run at once."""
    read_queue_max: int = 256
    """Asynchronous reads that may wait for a client; more are refused with `StoreBusy`."""
    read_seconds_max: float = 15.0
    """How long one read of the API may take in ClickHouse."""
    read_bytes_max: int = 1 << 30
    """Memory that one read of the API may take there."""
    own_read_seconds_max: float = 300.0
    """How long one read of the server itself may take: proofs, verification, what is archived."""
    own_read_bytes_max: int = 4 << 30
    """Memory that one read of the server itself may take."""
    retention_days: Mapping[str, int] = field(default_factory=lambda: DEFAULT_RETENTION_DAYS)
    """Days by table; 0 keeps rows for ever. A table that is not named keeps its default."""
    connect_timeout_s: float = 10.0
    send_receive_timeout_s: float = 300.0
