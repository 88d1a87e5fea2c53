"""What can be set about the HTTP API."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RowsMax:
    """The most rows that one answer holds, by the caller's role; more is refused."""

    viewer: int = 1_000
    """Of viewers, and of whoever has no role: agents, and keys with single permissions."""
    operator: int = 5_000
    admin: int = 10_000

    def of(self, role: str | None) -> int:
        """The most rows of a role."""
        return {"operator": self.operator, "admin": self.admin}.get(role or "", self.viewer)

    def __post_init__(self) -> None:
        if min(self.viewer, self.operator, self.admin) < 1:
            raise ValueError("api.rows_max must be 1 or more for every role")


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """Where the API listens and how much one request may ask for."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes a free port."""
    cors_origins: tuple[str, ...] = ()
    """Origins of pages elsewhere that may read the API; none by default, `*` for any."""
    allowed_hosts: tuple[str, ...] = ()
    """Further names that requests may call a server on loopback by; elsewhere any name will do."""
    graceful_shutdown_s: int = 5
    """How long open requests may take to finish when the server stops."""
    max_connections: int = 2_000
    """Connections and running requests above this are answered with 503."""
    page_items_default: int = 100
    rows_max: RowsMax = field(default_factory=RowsMax)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"api.port must be 0 to 65535, not {self.port}")
        if self.page_items_default < 1:
            raise ValueError("api.page_items_default must be 1 or more")
