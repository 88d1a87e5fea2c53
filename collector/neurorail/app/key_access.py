"""The keys of a server that runs, over its API, or of a data directory that nobody uses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from neurorail.api.routes.rbac import key_body
from neurorail.app.location import Directory, client_for, named_server, running_server
from neurorail.client import Client
from neurorail.collector.access import KeyStore, NewKey
from neurorail.collector.access.keys import KEYS_FILE
from neurorail.collector.datadir import DataDirectory, DataDirectoryInUse

_KEYS = "/api/neurorail/v1/rbac/keys"


class Keys(Protocol):
    """What can be done with keys; each is as the API shows it."""

    def create(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Make one; the answer holds the key itself."""
        ...

    def all(self) -> list[dict[str, Any]]:
        """Every key."""
        ...

    def revoke(self, key_id: str) -> None:
        """Revoke one."""
        ...


@contextmanager
def keys_of(server: str | None, directory: Directory, *, make: bool = False) -> Iterator[Keys]:
    """The keys of `server`, else of the server on `directory`, else of the directory itself.

    Args:
        server: Its address.
        directory: With its data.
        make: Whether a directory that is not there is made.

    Raises:
        ValueError: the directory is in use by a server that cannot be asked, cannot be written, or
            is not there.
    """
    if named_server(server, directory) is not None or running_server(directory.path) is not None:
        yield _Remote(client_for(server, directory))
        return
    path = directory.path
    if not make and not path.exists():
        raise ValueError(f"there is no data directory {path}, and no server runs on it")
    locked = DataDirectory(path)
    try:
        locked.open()
        yield _Direct(path)
    except DataDirectoryInUse as error:
        raise ValueError(str(error)) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ValueError(f"the data directory {path} cannot be written: {reason}") from None
    finally:
        locked.close()


class _Remote:
    def __init__(self, client: Client) -> None:
        self._client = client

    def create(self, asked: dict[str, Any]) -> dict[str, Any]:
        return dict(self._client.post_json(_KEYS, asked))

    def all(self) -> list[dict[str, Any]]:
        return list(self._client.get_json(_KEYS)["keys"])

    def revoke(self, key_id: str) -> None:
        self._client.post_json(f"{_KEYS}/{key_id}/revoke", {})


class _Direct:
    def __init__(self, directory: Path) -> None:
        self._store = KeyStore(directory / KEYS_FILE, time.time_ns)
        self._store.load()

    def create(self, asked: dict[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in asked.items() if value is not None}
        expires = given.pop("expires_at", None)
        if expires is not None:
            given["expires_unix_nano"] = round(datetime.fromisoformat(expires).timestamp()) * 10**9
        for name in ("permissions", "missions"):
            given[name] = tuple(given[name])
        key, text = self._store.create(NewKey(**given), "command-line")
        return _plain(key_body(key)) | {"key": text}

    def all(self) -> list[dict[str, Any]]:
        return [_plain(key_body(key)) for key in self._store.all()]

    def revoke(self, key_id: str) -> None:
        self._store.revoke(key_id)


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    return {name: list(v) if isinstance(v, tuple) else v for name, v in body.items()}
