"""Asking the server of a command: what it answers, and the status when it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from neurorail.app.commands.options import (
    DOES_NOT_HOLD,
    data_directory,
    fail,
    server_errors,
    told,
)
from neurorail.client import Problem

_DOES_NOT_HOLD: Final = frozenset({404, 409, 429})


def get(path: str, server: str | None, data_dir: Path | None, config: Path | None) -> Any:
    """What a GET answers; else the command ends."""
    from neurorail.app.location import client_for

    with server_errors():
        return client_for(server, data_directory(data_dir, config)).get_json(path)


def post(
    path: str, body: dict[str, Any], server: str | None, data_dir: Path | None, config: Path | None
) -> Any:
    """What a POST answers; else the command ends, with status 1 where its object does not fit."""
    from neurorail.app.location import client_for

    with server_errors():
        try:
            return client_for(server, data_directory(data_dir, config)).post_json(path, body)
        except Problem as error:
            if error.status in _DOES_NOT_HOLD:
                raise fail(told(error), DOES_NOT_HOLD) from None
            raise
