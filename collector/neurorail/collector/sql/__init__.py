"""Read-only SQL over the embedded store, for tools that speak ClickHouse's HTTP interface."""

from neurorail.collector.sql.config import SqlConfig
from neurorail.collector.sql.engine import Answer, QueryEngine
from neurorail.collector.sql.errors import QueryError

__all__ = ["Answer", "QueryEngine", "QueryError", "SqlConfig"]
