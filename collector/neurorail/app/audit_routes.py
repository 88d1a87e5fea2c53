"""The routes that verify, prove and show what was signed."""

from __future__ import annotations

from fastapi import FastAPI

from neurorail.api import audit_checkpoints, audit_export, audit_verify
from neurorail.api.audit_checkpoints import Anchorage
from neurorail.app.checkpoints import Checkpoints
from neurorail.app.config import Config
from neurorail.collector.audit.checkpoint import ANCHORS_FILE
from neurorail.collector.export.config import EVENTS


def add_audit_routes(app: FastAPI, prefix: str, signs: Checkpoints, config: Config) -> None:
    """Put them under a prefix of an application."""
    for router in (
        audit_verify.create_router(signs.verify),
        audit_export.create_router(signs.bundle, signs.rotate, signs.retain),
        audit_checkpoints.create_router(signs.statements, anchorage(config)),
    ):
        app.include_router(router, prefix=prefix)


def anchorage(config: Config) -> Anchorage:
    """Where a configuration has statements kept."""
    file = config.audit.anchors_file
    destinations = config.export.destinations.items()
    return Anchorage(
        file=ANCHORS_FILE if file is None else file.name,
        file_is_elsewhere=file is not None
        and not file.resolve().is_relative_to(config.data_dir.resolve()),
        destinations=tuple(name for name, each in destinations if EVENTS in each.signals),
    )
