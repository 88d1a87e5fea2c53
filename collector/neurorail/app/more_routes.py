"""Routes over parts that only a whole server has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from fastapi import FastAPI

from neurorail.api import erasure, imports, reruns, spans
from neurorail.app.audit_routes import add_audit_routes
from neurorail.app.checkpoints import Checkpoints
from neurorail.app.config import Config
from neurorail.app.own_files import OwnFiles
from neurorail.collector.envelope import Submission
from neurorail.collector.otlp.admission import Admission
from neurorail.collector.rerun_jobs.jobs import RerunJobs
from neurorail.collector.store.spans import spans_of, stored_spans
from neurorail.collector.store.store import Store

API_PREFIX: Final = "/api/neurorail/v1"
GOVERNOR_PREFIX: Final = "/api/governor/v1"


def add_routes(
    app: FastAPI,
    config: Config,
    store: Store,
    checkpoints: Checkpoints,
    jobs: RerunJobs,
    files: OwnFiles,
) -> None:
    """Add them to an application."""
    add_audit_routes(app, API_PREFIX, checkpoints, config)
    for router in (
        spans.create_router(partial(spans_of, store)),
        erasure.create_router(store, files),
    ):
        app.include_router(router, prefix=API_PREFIX)
    for router in reruns.create_routers(jobs):
        app.include_router(router, prefix=GOVERNOR_PREFIX)


def add_import(
    app: FastAPI,
    admission: Admission,
    append: Callable[[list[Submission]], Awaitable[object]],
    store: Store,
    archived_so_far: Callable[[], Awaitable[bool]],
) -> None:
    """Add the route that takes in what an archive holds."""
    known = partial(stored_spans, store)
    router = imports.create_router(admission, append, known, archived_so_far)
    app.include_router(router, prefix=API_PREFIX)
