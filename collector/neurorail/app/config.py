"""Every setting of the server, its default and its meaning.

The sections `inbox`, `archive`, `engine` and `stream` are the components' own configurations.
Files, variables and options are read by `neurorail.app.config_load`.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    field_validator,
    model_validator,
)

from neurorail.app.config_oidc import OidcSection
from neurorail.app.config_section import Section
from neurorail.collector.archive.config import ArchiveConfig
from neurorail.collector.export.config import NAME as DESTINATION_NAME
from neurorail.collector.export.config import Destination
from neurorail.collector.inbox.config import InboxConfig
from neurorail.collector.otlp.attribute_rules import AttributeRules
from neurorail.collector.rerun_jobs.config import RerunConfig
from neurorail.collector.store.config import RETENTION_TABLES
from neurorail.collector.stream.config import StreamConfig
from neurorail.rules.config import EngineConfig
from neurorail.rules.events import EVENT_TYPES

_NODE = re.compile(r"^[A-Za-z0-9_-]{1,64}$")


def split_address(text: str) -> tuple[str, int]:
    """Split `host:port`, `[v6]:port` or `:port` (which is loopback).

    Raises:
        ValueError: if there is no port from 0 to 65535.
    """
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"{text!r} is no address: write HOST:PORT, for example 127.0.0.1:4317")
    host = host.removeprefix("[").removesuffix("]")
    return host or "127.0.0.1", int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`. A name other than localhost never counts."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_address(text: str) -> str:
    split_address(text)
    return text


Address = Annotated[str, AfterValidator(_checked_address)]
"""`HOST:PORT`; port 0 takes a free one. Beyond loopback only with credentials."""


class TlsSection(Section):
    """TLS of one listener. Both files or neither."""

    cert_file: Path | None = None
    """Certificate chain, PEM."""
    key_file: Path | None = None
    """Private key of the certificate, PEM."""
    client_ca_file: Path | None = None
    """Clients must show a certificate that one of these authorities signed (mutual TLS)."""

    @model_validator(mode="after")
    def _together(self) -> Self:
        halves = (self.cert_file is None) != (self.key_file is None)
        if halves or (self.client_ca_file is not None and self.cert_file is None):
            raise ValueError("give cert_file and key_file together; client_ca_file needs them")
        return self

    @property
    def enabled(self) -> bool:
        """Whether the listener speaks TLS."""
        return self.cert_file is not None


class GrpcSection(Section):
    """OTLP over gRPC."""

    address: Address = "127.0.0.1:4317"
    """HOST:PORT; port 0 takes a free one."""
    max_concurrent_streams: int = Field(default=256, ge=1)
    """Requests at once on one connection; further ones wait at the client."""
    tls: TlsSection = TlsSection()
    """Empty: plain text."""


class HttpSection(Section):
    """OTLP over HTTP (`/v1/traces`, `/v1/logs`, `/v1/metrics`)."""

    address: Address = "127.0.0.1:4318"
    """HOST:PORT; port 0 takes a free one."""
    cors_origins: tuple[str, ...] = ()
    """Origins of browser pages that may send telemetry; `*` for any."""
    tls: TlsSection = TlsSection()
    """Empty: plain text."""


class OtlpSection(Section):
    """The receivers of OpenTelemetry data."""

    grpc: GrpcSection = GrpcSection()
    """OTLP over gRPC."""
    http: HttpSection = HttpSection()
    """OTLP over HTTP."""
    max_request_bytes: int = Field(default=64 << 20, ge=1)
    """Largest request, before and after decompression."""
    max_inflight_requests: int = Field(default=1_024, ge=1)
    """Requests between arrival and answer; more are refused retryably."""
    max_inflight_bytes: int = Field(default=256 << 20, ge=1)
    """Bytes of those requests; more are refused retryably."""
    memory_limit_bytes: int | None = Field(default=None, ge=0)
    """Resident memory of server and gRPC listener above which telemetry is refused retryably; none:
    80 % of the machine's."""

    @model_validator(mode="after")
    def _one_request_fits(self) -> Self:
        if self.max_inflight_bytes < self.max_request_bytes:
            raise ValueError(
                f"max_inflight_bytes is {self.max_inflight_bytes}: it must be at least "
                f"max_request_bytes, {self.max_request_bytes}"
            )
        return self


class RowsSection(Section):
    """The most rows that one answer of the API holds, by role; a larger `limit` is refused."""

    viewer: int = Field(default=1_000, ge=1, le=100_000)
    """Of viewers, and of whoever has no role."""
    operator: int = Field(default=5_000, ge=1, le=100_000)
    """Of operators."""
    admin: int = Field(default=10_000, ge=1, le=100_000)
    """Of admins."""


class ApiSection(Section):
    """The HTTP API, the live stream and the ControlDeck."""

    address: Address = "127.0.0.1:8000"
    """HOST:PORT; port 0 takes a free one."""
    cors_origins: tuple[str, ...] = ()
    """Origins of pages elsewhere that may read the API; `*` for any."""
    max_connections: int = Field(default=2_000, ge=1)
    """Connections and running requests; more are answered with 503."""
    rows_max: RowsSection = RowsSection()
    """The most rows that one answer holds, by role."""


def _default_retention() -> dict[str, int]:
    return dict.fromkeys(RETENTION_TABLES, 30)


class ClickHouseSection(Section):
    """Where rows are stored."""

    url: str | None = None
    """`http://user:password@host:8123` of a server; none: embedded, in the data directory."""
    database: str = Field(default="neurorail", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")
    """Made when it is not there."""
    readers: int = Field(default=2, ge=1, le=64)
    """Reads that run at once."""
    read_seconds_max: float = Field(default=15.0, gt=0, le=3_600)
    """How long one read of the API may take."""
    read_bytes_max: int = Field(default=1 << 30, ge=1 << 24)
    """Memory that one read of the API may take."""
    retention_days: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default_factory=_default_retention
    )
    """Days by table; 0 keeps rows for ever. The audit has no retention."""

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        if url is not None and (urlsplit(url).scheme not in {"http", "https"} or "//" not in url):
            raise ValueError(f"{url!r} is no ClickHouse address: write http://HOST:8123")
        return url

    @field_validator("retention_days")
    @classmethod
    def _known_tables(cls, days: dict[str, int]) -> dict[str, int]:
        for table in days:
            if table not in RETENTION_TABLES:
                raise ValueError(
                    f"{table!r} has no retention: only {', '.join(RETENTION_TABLES)} have"
                )
        return _default_retention() | days


class SqlSection(Section):
    """Read-only SQL over the embedded store, as ClickHouse's HTTP interface. Off by default.

    Whoever has the password reads what is stored of every tenant.
    """

    address: Address | None = None
    """HOST:PORT; none: off. Plain text: beyond loopback put a proxy with TLS before it."""
    user: str = Field(default="reader", min_length=1)
    """Name of the one user."""
    password: str | None = Field(default=None, min_length=16, repr=False)
    """Needed with an address; at least 16 characters."""
    max_execution_time_s: int = Field(default=30, ge=1)
    """A query that takes longer is ended."""
    max_memory_bytes: int = Field(default=1 << 30, ge=1 << 20)
    """Of one query."""
    max_result_bytes: int = Field(default=128 << 20, ge=1 << 10)
    """Of one answer, before compression; a larger one is an error."""
    max_result_rows: int = Field(default=1_000_000, ge=1)
    """Of one answer; more are an error."""
    queries: int = Field(default=2, ge=1, le=32)
    """Queries that run at once."""
    waiting: int = Field(default=32, ge=0)
    """Queries that wait; more are refused."""

    @model_validator(mode="after")
    def _closed(self) -> Self:
        if self.address is not None and self.password is None:
            raise ValueError("sql.password is missing: sql.address needs one")
        return self


class ExportSection(Section):
    """Where telemetry and events are sent on to."""

    destinations: dict[str, Destination] = Field(default_factory=dict)
    """OTLP endpoints by a name of your choice; each takes `endpoint` and what `docs/export.md`
    lists. None: nothing is sent on."""

    @field_validator("destinations")
    @classmethod
    def _known_by_name(cls, found: dict[str, Destination]) -> dict[str, Destination]:
        for name in found:
            if not DESTINATION_NAME.match(name):
                raise ValueError(f"{name!r} is no name: use 1 to 32 of a-z, 0-9, _ and -")
        return found


class ContentSection(Section):
    """Prompts, completions, and arguments and results of tools."""

    store_content: bool = False
    """False: only a keyed hash and the length of each value are stored."""
    allow_keys: tuple[str, ...] = ()
    """Names of content attributes that are stored all the same."""
    deny_keys: tuple[str, ...] = ()
    """Names of other attributes, tags and JSON members that are not; `*` at the end: any rest."""
    deny_patterns: tuple[str, ...] = ()
    """Regular expressions of text that is neither stored nor logged, wherever it comes from."""

    @field_validator("deny_patterns")
    @classmethod
    def _can_be_used(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        AttributeRules((), patterns, b"")
        return patterns


class AccessSection(Section):
    """Who may do what. Keys are made with `neurorail keys`, not written here."""

    requests_per_s: int = Field(default=1_000, ge=1)
    """API requests a second of one caller, where its key does not say; more are answered 429."""
    oidc: OidcSection = OidcSection()
    """An OpenID Connect provider whose tokens are believed."""


class AuditSection(Section):
    """The audit trail's signed checkpoints."""

    checkpoint_interval_s: float = Field(default=300.0, ge=0)
    """Seconds between signed statements about the chain; 0: none."""
    anchors_file: Path | None = None
    """Where they are written, best on another disk; none: `anchors.jsonl` in the data directory."""


class WebhookSection(Section):
    """One webhook."""

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$")
    """What a manifest's alert calls it."""
    url: str
    """Where alerts are posted to."""
    format: Literal["json", "slack", "pagerduty"] = "json"
    """`json`: everything, signed; `slack` and `pagerduty`: what these services read."""
    secret_file: Path | None = None
    """Holds what signs the body (HMAC-SHA256); for PagerDuty its routing key."""
    events: tuple[str, ...] = ()
    """Types of event that are sent besides alerts."""
    timeout_s: float = Field(default=10.0, gt=0, le=60)
    """How long an answer may take."""

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a webhook: write https://HOST/PATH")
        return url

    @field_validator("events")
    @classmethod
    def _known_events(cls, events: tuple[str, ...]) -> tuple[str, ...]:
        for name in events:
            if name not in EVENT_TYPES:
                raise ValueError(f"{name!r} is no type of event: docs/reference/events.md has them")
        return events

    @model_validator(mode="after")
    def _has_its_secret(self) -> Self:
        if self.secret_file is None and self.format != "slack":
            raise ValueError(f"webhook {self.name!r} needs a secret_file: {self.format} is signed")
        return self


class AlertsSection(Section):
    """Where alerts of reflexes are sent to."""

    webhooks: tuple[WebhookSection, ...] = ()
    """Each with name, url, format, secret_file, events and timeout_s."""

    @field_validator("webhooks")
    @classmethod
    def _names_differ(cls, webhooks: tuple[WebhookSection, ...]) -> tuple[WebhookSection, ...]:
        names = [webhook.name for webhook in webhooks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two webhooks are called {name!r}: give each its own name")
        return webhooks


class MetricsSection(Section):
    """Numbers about the whole."""

    snapshot_interval_s: float = Field(default=30.0, ge=0)
    """Seconds between the snapshots that are put on record, one a tenant; 0: none."""


class PricesSection(Section):
    """What tokens cost."""

    override_file: Path | None = None
    """YAML of own prices, asked before the built-in table."""


class LogSection(Section):
    """What the server says on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """debug, info, warning or error."""


class Config(Section):
    """Everything that can be set."""

    data_dir: Path = Path("neurorail-data")
    """Inbox, engine state and the embedded store. One server at a time."""
    node: str | None = None
    """Name of this server in event ids; none: made once for the data directory."""
    otlp: OtlpSection = OtlpSection()
    """The receivers of OpenTelemetry data."""
    api: ApiSection = ApiSection()
    """The HTTP API, the live stream and the ControlDeck."""
    clickhouse: ClickHouseSection = ClickHouseSection()
    """Where rows are stored."""
    sql: SqlSection = SqlSection()
    """Read-only SQL over the embedded store, for Grafana and other ClickHouse clients."""
    inbox: InboxConfig = InboxConfig()
    """The durable queue in front of everything; sizes in bytes."""
    archive: ArchiveConfig = ArchiveConfig()
    """How rows are gathered into inserts."""
    engine: EngineConfig = EngineConfig()
    """Times and limits of the rules. A change begins a new epoch."""
    stream: StreamConfig = StreamConfig()
    """Limits of the live stream."""
    backtests: RerunConfig = RerunConfig()
    """Backtests and replays that the running server does."""
    export: ExportSection = ExportSection()
    """Where telemetry and events are sent on to."""
    content: ContentSection = ContentSection()
    """Prompts, completions, and arguments and results of tools."""
    access: AccessSection = AccessSection()
    """Who may do what. Keys are made with `neurorail keys`, not written here."""
    audit: AuditSection = AuditSection()
    """The audit trail's signed checkpoints."""
    alerts: AlertsSection = AlertsSection()
    """Where alerts of reflexes are sent to."""
    metrics: MetricsSection = MetricsSection()
    """Numbers about the whole."""
    prices: PricesSection = PricesSection()
    """What tokens cost."""
    log: LogSection = LogSection()
    """What the server says on standard error."""

    @model_validator(mode="after")
    def _sql_is_embedded(self) -> Self:
        if self.sql.address is not None and self.clickhouse.url is not None:
            raise ValueError("sql.address is for the embedded store; ask clickhouse.url itself")
        return self

    @field_validator("node")
    @classmethod
    def _node_form(cls, node: str | None) -> str | None:
        if node is not None and not _NODE.match(node):
            raise ValueError(f"{node!r} is no node name: use 1 to 64 letters, digits, _ or -")
        return node

    @model_validator(mode="after")
    def _queues_fit(self) -> Self:
        for name, destination in self.export.destinations.items():
            if destination.queue_bytes > self.inbox.max_bytes // 2:
                raise ValueError(
                    f"export.destinations.{name}.queue_bytes is {destination.queue_bytes}: it may"
                    f" be at most half of inbox.max_bytes ({self.inbox.max_bytes})"
                )
        return self

    @field_validator("engine")
    @classmethod
    def _engine_in_range(cls, engine: EngineConfig) -> EngineConfig:
        for name in EngineConfig.__dataclass_fields__:
            least = 0 if name.endswith("_ms") else 1
            if getattr(engine, name) < least:
                raise ValueError(
                    f"engine.{name} is {getattr(engine, name)}: it must be at least {least}"
                )
        if engine.warn_percent > 100:
            raise ValueError(f"engine.warn_percent is {engine.warn_percent}: it must be 1 to 100")
        return engine
