"""From the configuration to the components' own: each knows its part and no other."""

from __future__ import annotations

from pathlib import Path

from neurorail.api.config import ApiConfig, RowsMax
from neurorail.app.config import Config, TlsSection, WebhookSection, split_address
from neurorail.collector.alerts import Webhook
from neurorail.collector.otlp.attribute_rules import AttributeRules
from neurorail.collector.otlp.config import GrpcConfig, HttpConfig, ReceiverConfig, TlsConfig
from neurorail.collector.store.config import StoreConfig


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
        allow_content_keys=config.content.allow_keys,
    )


def attribute_rules(config: Config, key: bytes) -> AttributeRules | None:
    """The operator's rules of what is not stored; None without any."""
    section = config.content
    if not section.deny_keys and not section.deny_patterns:
        return None
    return AttributeRules(section.deny_keys, section.deny_patterns, key)


def store_config(config: Config, directory: Path) -> StoreConfig:
    """The store's part: a server's address, or the embedded engine in the data directory."""
    section = config.clickhouse
    url = section.url or f"chdb://{(directory / 'clickhouse').resolve()}"
    return StoreConfig(
        url=url,
        database=section.database,
        readers=section.readers,
        read_seconds_max=section.read_seconds_max,
        read_bytes_max=section.read_bytes_max,
        retention_days=section.retention_days,
    )


def webhooks(config: Config) -> tuple[Webhook, ...]:
    """The webhooks, with their secrets read.

    Raises:
        OSError: a secret cannot be read.
        ValueError: a secret is empty.
    """
    return tuple(_webhook(section) for section in config.alerts.webhooks)


def _webhook(section: WebhookSection) -> Webhook:
    secret = b""
    if section.secret_file is not None:
        secret = section.secret_file.read_bytes().strip()
        if not secret:
            raise ValueError(f"{section.secret_file} is empty: it has to hold a secret")
    return Webhook(
        section.name,
        section.url,
        section.format,
        secret,
        frozenset(section.events),
        section.timeout_s,
    )


def api_config(config: Config) -> ApiConfig:
    """The API's part."""
    host, port = split_address(config.api.address)
    return ApiConfig(
        host=host,
        port=port,
        cors_origins=config.api.cors_origins,
        max_connections=config.api.max_connections,
        rows_max=RowsMax(**config.api.rows_max.model_dump()),
    )
