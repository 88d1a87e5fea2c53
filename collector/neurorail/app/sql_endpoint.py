"""The SQL endpoint as the server runs it: engine, application and socket, or nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

from neurorail.api.server import AppServer
from neurorail.api.sql import Reader, SqlApp
from neurorail.app.config import Config, split_address
from neurorail.collector.sql import QueryEngine, SqlConfig


class SqlEndpoint:
    """Starts and stops what answers SQL. Without an address it does nothing."""

    def __init__(self, config: Config, directory: Path) -> None:
        section = config.sql
        self._server: AppServer | None = None
        if section.address is None or section.password is None:
            return
        limits = SqlConfig(
            database=config.clickhouse.database,
            max_execution_time_s=section.max_execution_time_s,
            max_memory_bytes=section.max_memory_bytes,
            max_result_bytes=section.max_result_bytes,
            max_result_rows=section.max_result_rows,
            queries=section.queries,
            waiting=section.waiting,
        )
        self._engine = QueryEngine(str((directory / "clickhouse").resolve()), limits)
        reader = Reader(section.user, section.password)
        app = SqlApp(self._engine, reader, limits.database, limits.max_query_bytes)
        host, port = split_address(section.address)
        self._server = AppServer(app, host, port, max_connections=256, graceful_shutdown_s=5)

    @property
    def address(self) -> str | None:
        """Where it listens; None where it does not."""
        if self._server is None:
            return None
        host, port = self._server.address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def start(self) -> None:
        """Listen. Raises OSError when the address is taken."""
        if self._server is not None:
            await self._server.start()

    async def stop(self) -> None:
        """Finish what is asked and close. Before the store stops."""
        if self._server is not None:
            await self._server.stop()
            await asyncio.to_thread(self._engine.stop)
