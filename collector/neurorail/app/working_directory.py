"""Lets a server work in its data directory, wherever it was started.

The embedded engine caches schemas in the working directory and cannot be told another place. A
service is often started where it may not write, and then every insert would fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from neurorail.app.config import Config


@contextmanager
def in_data_directory(config: Config) -> Iterator[Config]:
    """Work in the data directory inside the context; gives the configuration with absolute paths.

    Raises:
        OSError: the data directory cannot be made or entered.
    """
    settled = Config.model_validate(_absolute(config.model_dump()))
    settled.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with chdir(settled.data_dir):
        yield settled


def _absolute(value: Any) -> Any:
    """The same value with every relative path made absolute, so that it keeps its meaning."""
    if isinstance(value, dict):
        return {key: _absolute(inner) for key, inner in value.items()}
    return value.absolute() if isinstance(value, Path) else value
