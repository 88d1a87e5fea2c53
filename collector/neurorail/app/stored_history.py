"""Opens the stored history for a command: a ClickHouse server, or the store of a data directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neurorail.app.config import Config
from neurorail.app.wiring import store_config
from neurorail.collector.datadir import DataDirectory
from neurorail.collector.rerun.stored import nodes
from neurorail.collector.store.store import Store


class NoHistory(Exception):
    """There is no history to be read; the message says how to mend it."""


@contextmanager
def stored_history(config: Config, node: str | None = None) -> Iterator[tuple[Store, str]]:
    """The store and the node whose history is meant.

    Raises:
        NoHistory: nothing is stored, or the node is not told.
        DataDirectoryInUse: a server holds the store.
        StoreError: the store cannot be opened or read.
    """
    path = Path(config.data_dir)
    embedded = config.clickhouse.url is None
    if embedded and not (path / "engine.db").exists():
        raise NoHistory(f"{path} holds no data: name it with --data-dir")
    directory = DataDirectory(path) if embedded else None
    if directory is not None:
        directory.open()
    store = Store(store_config(config, path))
    try:
        store.start(migrate=False)
        yield store, _node(store, node or config.node)
    finally:
        store.stop()
        if directory is not None:
            directory.close()


def _node(store: Store, wanted: str | None) -> str:
    known = nodes(store)
    if wanted is not None:
        if wanted not in known:
            listed = ", ".join(known) or "none"
            raise NoHistory(f"no record of node {wanted!r} is stored; there are: {listed}")
        return wanted
    if len(known) != 1:
        listed = ", ".join(known) or "none"
        raise NoHistory(f"name the node with --node; there are: {listed}")
    return known[0]
