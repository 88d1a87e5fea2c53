"""From the configuration to the components' own: each knows its part and no other."""

from __future__ import annotations

import signal as _signal
import threading
from collections.abc import Mapping
from pathlib import Path

from neurorail.api.config import ApiConfig
from neurorail.app.config import Config, TlsSection, split_address
from neurorail.collector.envelope import Signal
from neurorail.collector.health import Health
from neurorail.collector.otlp.config import GrpcConfig, HttpConfig, ReceiverConfig, TlsConfig
from neurorail.collector.store.config import StoreConfig

_SIGNALS: Mapping[Signal, str] = {
    Signal.TRACES: "traces",
    Signal.LOGS: "logs",
    Signal.METRICS: "metrics",
}


def _tls(section: TlsSection) -> TlsConfig | None:
    if section.cert_file is None or section.key_file is None:
        return None
    authority = section.client_ca_file
    return TlsConfig(
        str(section.cert_file),
        str(section.key_file),
        None if authority is None else str(authority),
    )


def receiver_config(config: Config) -> ReceiverConfig:
    """The receivers' part."""
    grpc, http = config.otlp.grpc, config.otlp.http
    grpc_host, grpc_port = split_address(grpc.address)
    http_host, http_port = split_address(http.address)
    return ReceiverConfig(
        grpc=GrpcConfig(
            host=grpc_host,
            port=grpc_port,
            tls=_tls(grpc.tls),
            max_concurrent_streams=grpc.max_concurrent_streams,
        ),
        http=HttpConfig(
            host=http_host,
            port=http_port,
            tls=_tls(http.tls),
            cors_allowed_origins=http.cors_origins,
        ),
        max_request_bytes=config.otlp.max_request_bytes,
        max_inflight_requests=config.otlp.max_inflight_requests,
        max_inflight_bytes=config.otlp.max_inflight_bytes,
        memory_limit_bytes=config.otlp.memory_limit_bytes,
        store_content=config.content.store_content,
    )


def store_config(config: Config, directory: Path) -> StoreConfig:
    """The store's part: a server's address, or the embedded engine in the data directory."""
    section = config.clickhouse
    url = section.url or f"chdb://{(directory / 'clickhouse').resolve()}"
    return StoreConfig(
        url=url,
        database=section.database,
        readers=section.readers,
        retention_days=section.retention_days,
    )


def api_config(config: Config) -> ApiConfig:
    """The API's part."""
    host, port = split_address(config.api.address)
    return ApiConfig(
        host=host,
        port=port,
        cors_origins=config.api.cors_origins,
        max_connections=config.api.max_connections,
    )


class ReceiverHealth:
    """Lets the receivers count into the server's metrics."""

    def __init__(self, health: Health) -> None:
        self._by_transport = {name: health.receiver(name) for name in ("grpc", "http")}
        self._altered = {"utf8_repaired": 0, "redacted": 0}
        self._lock = threading.Lock()
        for name, meaning in (
            ("utf8_repaired", "Strings of telemetry that were not UTF-8 and were repaired."),
            ("redacted", "Content values of telemetry replaced by a hash."),
        ):
            health.watch_count(
                f"neurorail_receiver_{name}_values",
                meaning,
                lambda name=name: {(): float(self._altered[name])},  # type: ignore[misc]
            )

    def accepted(self, signal: Signal, transport: str, items: int) -> None:
        """Items that are durable."""
        self._by_transport[transport].accepted(_SIGNALS[signal], items)

    def refused(self, signal: Signal, transport: str, items: int) -> None:
        """Items refused."""
        self._by_transport[transport].refused(_SIGNALS[signal], items)

    def failed(self, signal: Signal, transport: str, items: int) -> None:
        """Items not taken because of an internal error."""
        self._by_transport[transport].failed(_SIGNALS[signal], items)

    def request(self, signal: Signal, transport: str, outcome: str) -> None:
        """One request ended."""
        self._by_transport[transport].request(outcome)

    def utf8_repaired(self, signal: Signal, transport: str, strings: int) -> None:
        """Strings repaired."""
        self._add("utf8_repaired", strings)

    def redacted(self, signal: Signal, transport: str, values: int) -> None:
        """Values replaced by a hash."""
        self._add("redacted", values)

    def _add(self, name: str, amount: int) -> None:
        with self._lock:
            self._altered[name] += amount


STOP_SIGNALS = (_signal.SIGTERM, _signal.SIGINT)
