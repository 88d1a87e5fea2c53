"""What can be configured about a destination."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

EVENTS: Final = "events"
NAME: Final = re.compile(r"^[a-z0-9_-]{1,32}$")
"""A destination's name: it stands in metrics and variables."""

Wanted = Literal["traces", "logs", "metrics", "events"]


@dataclass(frozen=True, slots=True)
class Destination:
    """An OTLP endpoint that gets what this server takes in and decides.

    Raises:
        ValueError: if the endpoint is no address, or a limit does not make sense.
    """

    endpoint: str
    """`http://HOST:PORT` in plain text or `https://HOST:PORT` over TLS. Over HTTP `/v1/traces`
    and so on are appended."""
    protocol: Literal["grpc", "http/protobuf"] = "grpc"
    """grpc or http/protobuf."""
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with every request."""
    headers_file: Path | None = None
    """A file of `NAME: VALUE` lines, sent as well: for secrets."""
    compression: Literal["gzip", "none"] = "gzip"
    """gzip or none."""
    signals: tuple[Wanted, ...] = ("traces", "logs", "metrics", "events")
    """What is sent: traces, logs, metrics as they came, events as log records."""
    tenants: tuple[str, ...] = ()
    """Only what belongs to these tenants; empty: everything."""
    enrich: bool = False
    """Whether spans carry what was decided about them; False: byte for byte as stored."""
    timeout_s: float = 10.0
    """How long one request may take."""
    request_bytes: int = 3 << 20
    """Records are gathered into requests of at most so many bytes; a larger record goes alone."""
    queue_bytes: int = 1 << 30
    """Disk of the inbox that may be kept for this destination alone; beyond it the oldest
    telemetry is given up. Events are never given up: they are read from the audit."""
    retry_delay_ms_min: int = 500
    """Pause before a request is sent again; it grows by half each time."""
    retry_delay_ms_max: int = 30_000
    """Longest pause, unless the endpoint asks for more."""
    ca_file: Path | None = None
    """Authorities that may have signed the endpoint's certificate, PEM; none: the system's."""
    cert_file: Path | None = None
    """Certificate shown to the endpoint (mutual TLS), PEM."""
    key_file: Path | None = None
    """Private key of the certificate, PEM."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(
                f"endpoint {self.endpoint!r} is no address: write http://HOST:PORT, or https://"
            )
        if self.protocol == "grpc" and parts.path not in {"", "/"}:
            raise ValueError(f"endpoint {self.endpoint!r} has a path: gRPC has none")
        if not self.signals:
            raise ValueError("signals is empty: name at least one")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("give cert_file and key_file together")
        for name in ("timeout_s", "request_bytes", "queue_bytes", "retry_delay_ms_min"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}: give a positive number")
        if self.retry_delay_ms_max < self.retry_delay_ms_min:
            raise ValueError(
                f"retry_delay_ms_max is {self.retry_delay_ms_max}: it must be at least"
                f" retry_delay_ms_min ({self.retry_delay_ms_min})"
            )

    @property
    def secure(self) -> bool:
        """Whether it is reached over TLS."""
        return self.endpoint.startswith("https:")

    def all_headers(self) -> dict[str, str]:
        """The headers of the configuration and of the file, names in lower case.

        Raises:
            OSError: the file cannot be read.
            ValueError: a line of it is not `NAME: VALUE`.
        """
        found = {name.lower(): value for name, value in self.headers.items()}
        if self.headers_file is not None:
            lines = self.headers_file.read_text(encoding="utf-8").splitlines()
            for number, line in enumerate(lines, start=1):
                name, colon, value = line.partition(":")
                if line.strip() and not (colon and name.strip()):
                    raise ValueError(f"{self.headers_file}:{number}: write NAME: VALUE")
                if line.strip():
                    found[name.strip().lower()] = value.strip()
        return found
