"""Settings of the receivers. Every limit is hard."""

from __future__ import annotations

from dataclasses import dataclass, field

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """Files in PEM form. With `client_ca_file` clients must show a certificate (mutual TLS)."""

    cert_file: str
    key_file: str
    client_ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class GrpcConfig:
    """The gRPC listener. The defaults suit SDKs that keep one connection and export often."""

    host: str = "127.0.0.1"
    port: int = 4317
    """0 takes any free port."""
    tls: TlsConfig | None = None
    max_concurrent_streams: int = 256
    """Calls one connection may have open; HTTP/2 makes further ones wait on the client's side."""
    keepalive_time_ms: int = 60_000
    """A connection that was quiet for so long is pinged."""
    keepalive_timeout_ms: int = 20_000
    """A ping that is not answered in this time closes the connection."""
    min_ping_interval_ms: int = 10_000
    """Clients that ping more often, without data, are disconnected."""
    max_connection_idle_ms: int = 3_600_000
    """A connection without a call for so long is closed politely."""
    max_metadata_bytes: int = 16 * 1024
    stop_grace_s: float = 5.0
    """How long calls in flight may go on when the server stops."""


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """The HTTP/1.1 listener."""

    host: str = "127.0.0.1"
    port: int = 4318
    """0 takes any free port."""
    tls: TlsConfig | None = None
    cors_allowed_origins: tuple[str, ...] = ()
    """Origins of browser pages that may export here; `*` allows all, none is the default."""
    cors_max_age_s: int = 7_200
    keepalive_timeout_s: int = 75
    """An idle connection is kept open for so long."""
    body_timeout_s: float = 30.0
    """A request must have arrived in this time, else it is refused retryably."""
    backlog: int = 2_048
    stop_grace_s: int = 5
    """How long requests in flight may go on when the server stops."""


@dataclass(frozen=True, slots=True)
class ReceiverConfig:
    """What both listeners share."""

    grpc: GrpcConfig = field(default_factory=GrpcConfig)
    http: HttpConfig = field(default_factory=HttpConfig)
    max_request_bytes: int = 64 * MIB
    """Largest request, as sent and also after decompression."""
    max_inflight_requests: int = 1_024
    """Requests between arrival and answer; more are refused retryably."""
    max_inflight_bytes: int = 256 * MIB
    """Bytes of those requests; more are refused retryably. At least `max_request_bytes`. Requests
    over gRPC are held by the listener's process too, up to the same limits."""
    max_submission_items: int = 2_000
    """Spans, log records or data points in one inbox record; larger requests are split."""
    offload_bytes: int = MIB
    """Larger requests are read on a worker thread, so that the event loop stays free."""
    retry_delay_s: float = 1.0
    """What refused clients are told to wait."""
    memory_limit_bytes: int | None = None
    """Resident memory of server and gRPC listener above which requests are refused retryably; None
    takes 80 % of what the machine or container has, 0 switches the check off."""
    store_content: bool = False
    """Keep prompts, completions and tool arguments as sent instead of replacing them by hashes."""
    allow_content_keys: tuple[str, ...] = ()
    """Names of content attributes that are kept all the same."""

    def __post_init__(self) -> None:
        for name in ("max_request_bytes", "max_inflight_requests", "max_submission_items"):
            if getattr(self, name) < 1:
                raise ValueError(f"receiver.{name} must be at least 1, not {getattr(self, name)}")
        if self.max_inflight_bytes < self.max_request_bytes:
            raise ValueError(
                f"receiver.max_inflight_bytes is {self.max_inflight_bytes}: raise it to"
                f" max_request_bytes ({self.max_request_bytes}) or more"
            )
        if self.retry_delay_s < 0:
            raise ValueError(f"receiver.retry_delay_s must not be negative: {self.retry_delay_s}")
