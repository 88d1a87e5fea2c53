"""Opens clickhouse-connect clients, for the embedded engine and for servers alike."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from neurorail.collector.store.errors import (
    StoreError,
    StoreLocked,
    StoreRefused,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from neurorail.collector.store.config import StoreConfig

_CHDB_SCHEME: Final = "chdb"
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")

_TRANSIENT_CODES: Final = frozenset(
    {
        3,  # UNEXPECTED_END_OF_FILE of the connection
        159,  # TIMEOUT_EXCEEDED
        164,  # READONLY, while a replica recovers
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        203,  # NO_FREE_CONNECTION
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        225,  # NO_ZOOKEEPER
        236,  # ABORTED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        285,  # TOO_FEW_LIVE_REPLICAS
        319,  # UNKNOWN_STATUS_OF_INSERT
        394,  # QUERY_WAS_CANCELLED
        439,  # CANNOT_SCHEDULE_TASK
        516,  # AUTHENTICATION_FAILED: an operator can mend it, the data is not at fault
        60,  # UNKNOWN_TABLE and
        81,  # UNKNOWN_DATABASE: dropped under us, or not yet created by another server
        999,  # KEEPER_EXCEPTION
    }
)
"""Error numbers that say nothing about the data: the same insert may succeed later."""


def is_embedded(url: str) -> bool:
    """Whether the address names the embedded engine."""
    return urlsplit(url).scheme == _CHDB_SCHEME


def check_identifier(name: str) -> str:
    """Returns the name, if it can stand in SQL without quotes.

    Raises:
        ValueError: If it cannot.
    """
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError(f"{name!r} is not a plain identifier; use letters, digits and _")
    return name


def open_client(config: StoreConfig, *, database: str | None) -> Client:
    """Opens one client. Calls on one client serialise; open one for each thread of work.

    Args:
        config: Where the store is.
        database: The database that unqualified names mean, or None for the engine's default.

    Raises:
        StoreLocked: If another process has the embedded directory open.
        StoreUnavailable: If a server does not answer.
        ValueError: If the address is of neither kind.
    """
    parts = urlsplit(config.url)
    try:
        if parts.scheme == _CHDB_SCHEME:
            return _open_embedded(parts.path, database)
        if parts.scheme in ("http", "https") and parts.hostname:
            return clickhouse_connect.get_client(
                dsn=config.url,
                database=database or "default",
                autogenerate_session_id=False,
                connect_timeout=config.connect_timeout_s,
                send_receive_timeout=config.send_receive_timeout_s,
            )
    except ClickHouseError as error:
        raise translate(error) from error
    raise ValueError(
        f"{config.url!r} is no store address; use chdb:///absolute/directory or http(s)://host:port"
    )


def _open_embedded(path: str, database: str | None) -> Client:
    if not path.startswith("/"):
        raise ValueError(f"{path!r} is not absolute; use chdb:///absolute/directory")
    _restore_signal_handlers()
    try:
        return clickhouse_connect.get_client(interface="chdb", path=path, database=database)
    except ClickHouseError as error:
        if "EmbeddedServer" in str(error) or "Cannot lock" in str(error):
            raise StoreLocked(
                f"{path} is open in another process; stop it, or ask it over HTTP"
            ) from error
        raise


def _restore_signal_handlers() -> None:
    """Gives the process its own signal handlers back: chDB replaces them when it is imported."""
    engine = import_module("chdb._chdb")
    engine.reset_signal_handlers()
    engine.set_signal_handlers_enabled(False)


def translate(error: ClickHouseError) -> StoreError:
    """The store's own error for one of the driver: can it help to try again?"""
    code = getattr(error, "code", None) or _code_in(str(error))
    message = str(error)
    if code in _TRANSIENT_CODES or (code == 0 and isinstance(error, OperationalError)):
        return StoreUnavailable(message)
    return StoreRefused(message, code)


def _code_in(message: str) -> int:
    found = re.search(r"[Cc]ode:? (\d+)", message)
    return int(found.group(1)) if found else 0
