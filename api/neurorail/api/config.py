"""What can be set about the HTTP API."""

from __future__ import annotations

from dataclasses import dataclass


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
    page_items_max: int = 1_000
    descendants_max: int = 10_000
    """Entities below one entity that a trace lists."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"api.port must be 0 to 65535, not {self.port}")
        if not 1 <= self.page_items_default <= self.page_items_max:
            raise ValueError("api.page_items_default must be from 1 to api.page_items_max")
