"""Turns the configuration into what each component takes."""

from __future__ import annotations

from neurorail.api.config import ApiConfig
from neurorail.app.config import Config, TlsSection, split_address
from neurorail.collector.otlp.config import GrpcConfig, HttpConfig, ReceiverConfig, TlsConfig
from neurorail.collector.store.config import StoreConfig

STORE_DIRECTORY = "chdb"
"""Of the embedded engine, in the data directory."""


def receiver_config(config: Config) -> ReceiverConfig:
    """Settings of both OTLP listeners."""
    otlp = config.otlp
    grpc_host, grpc_port = split_address(otlp.grpc.address)
    http_host, http_port = split_address(otlp.http.address)
    return ReceiverConfig(
        grpc=GrpcConfig(
            host=grpc_host,
            port=grpc_port,
            tls=_tls(otlp.grpc.tls),
            max_concurrent_streams=otlp.grpc.max_concurrent_streams,
        ),
        http=HttpConfig(
            host=http_host,
            port=http_port,
            tls=_tls(otlp.http.tls),
            cors_allowed_origins=otlp.http.cors_origins,
        ),
        max_request_bytes=otlp.max_request_bytes,
        max_inflight_requests=otlp.max_inflight_requests,
        max_inflight_bytes=otlp.max_inflight_bytes,
        memory_limit_bytes=otlp.memory_limit_bytes,
        store_content=config.content.store_content,
    )


def api_config(config: Config) -> ApiConfig:
    """Settings of the HTTP API."""
    host, port = split_address(config.api.address)
    return ApiConfig(
        host=host,
        port=port,
        cors_origins=config.api.cors_origins,
        max_connections=config.api.max_connections,
    )


def store_config(config: Config) -> StoreConfig:
    """Settings of the store: a ClickHouse server, or the embedded engine."""
    embedded = f"chdb://{(config.data_dir / STORE_DIRECTORY).resolve()}"
    return StoreConfig(
        url=config.clickhouse.url or embedded,
        database=config.clickhouse.database,
        readers=config.clickhouse.readers,
        retention_days=config.clickhouse.retention_days,
    )


def _tls(section: TlsSection) -> TlsConfig | None:
    if section.cert_file is None or section.key_file is None:
        return None
    authority = section.client_ca_file
    return TlsConfig(
        str(section.cert_file), str(section.key_file), None if authority is None else str(authority)
    )
