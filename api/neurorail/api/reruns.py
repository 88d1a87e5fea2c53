"""Backtests and replays that the running server does: asked for, followed, cancelled, read."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from hashlib import sha256
from typing import Annotated, Any, Final

import msgspec
from fastapi import Path, Request
from pydantic import Field
from starlette.responses import HTMLResponse

from neurorail.api.access import Caller, Router, needs
from neurorail.api.dependencies import ApiDependencies, Parts, Tenant
from neurorail.api.encoding import JsonResponse, iso_time
from neurorail.api.minting import digits
from neurorail.api.once import Repeatable
from neurorail.api.paging import moment
from neurorail.api.problems import Problem, bad_field
from neurorail.api.routes.manifests import SOURCE_MAX, read_source, unknown_manifest
from neurorail.api.texts import must_be_storable
from neurorail.api.writing import Body
from neurorail.collector.access.permissions import MANAGE_GOVERNOR, READ_LIFECYCLE
from neurorail.collector.rerun.page import STYLE, report_page
from neurorail.collector.rerun.report import with_links
from neurorail.collector.rerun_jobs.job import BACKTEST, REPLAY, Job, Kind, ManifestName
from neurorail.collector.rerun_jobs.jobs import RerunJobs, TooMany
from neurorail.rules.manifest.model import Manifest

RETRY_AFTER_S: Final = 30
CANCEL_S: Final = 5.0
"""How long an answer waits for the end of what is cancelled."""
ID_MAX: Final = 64
_SEQ_MAX: Final = 2**63 - 1
_STYLE_HASH: Final = b64encode(sha256(STYLE.encode()).digest()).decode()
PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
Id = Annotated[str, Path(max_length=ID_MAX)]


class WhichManifest(Body):
    """A manifest: one that the server knows, or a text. Exactly one of the two."""

    version: Annotated[str | None, Field(max_length=128, description="or `active`")] = None
    source: Annotated[str | None, Field(max_length=SOURCE_MAX, description="YAML")] = None


class NewBacktest(WhichManifest):
    """The manifest that is tried, over which history, beside what."""

    against: WhichManifest | None = None
    """What it is compared with; without: what was active then, with its changes."""
    since: Annotated[str | None, Field(max_length=64)] = None
    """Only what was received since: ISO 8601, or `-7d`; without: everything that is stored."""
    until: Annotated[str | None, Field(max_length=64)] = None
    """Only what was received before."""


class NewReplay(Body):
    """The records that are replayed; without both, all that are stored."""

    after_seq: Annotated[int, Field(ge=0, le=_SEQ_MAX)] = 0
    """The last record that is not replayed, at which a state of the engine is stored."""
    through_seq: Annotated[int | None, Field(ge=1, le=_SEQ_MAX)] = None
    """The last record; without: the newest of which all events are archived."""


def create_routers(jobs: RerunJobs) -> tuple[Router, Router]:
    """The routes of backtests and of replays."""
    return _backtests(jobs), _replays(jobs)


def _backtests(jobs: RerunJobs) -> Router:
    router = Router(prefix="/backtests", tags=["backtests"])

    @router.post("", status_code=201)
    @needs(MANAGE_GOVERNOR)
    async def backtest(
        body: NewBacktest, parts: Parts, tenant: Tenant, caller: Caller, once: Repeatable
    ) -> JsonResponse:
        """Run stored history under a manifest, in a process beside the server.

        One runs at a time and some wait; 503 when more are wanted. Each is put on record.
        """

        async def launch() -> JsonResponse:
            new = await _manifest(body, parts, tenant, "version")
            against = None
            if body.against is not None:
                against = await _manifest(body.against, parts, tenant, "against")
            job = _job(BACKTEST, parts, tenant, caller.name)
            job.new, job.against = _name(new), None if against is None else _name(against)
            now = parts.clock()
            job.since_unix_nano = moment("since", body.since, now) or 0
            job.until_unix_nano = _until(moment("until", body.until, now), now, job.since_unix_nano)
            await _launch(jobs, job, new.json, b"" if against is None else against.json)
            return JsonResponse(_body(job), 201)

        return await once.run("backtest", body, launch)

    @router.get("")
    @needs(READ_LIFECYCLE)
    async def backtests(tenant: Tenant) -> JsonResponse:
        """Backtests that run, wait or were made lately, newest first."""
        return _listed(jobs, tenant, BACKTEST, "backtests")

    @router.get("/{backtest_id}")
    @needs(READ_LIFECYCLE)
    async def one_backtest(backtest_id: Id, tenant: Tenant) -> JsonResponse:
        """One backtest: its state, how far it is, and what it found."""
        return await _whole(jobs, _found(jobs, tenant, BACKTEST, backtest_id))

    @router.get("/{backtest_id}/report.html", response_class=HTMLResponse)
    @needs(READ_LIFECYCLE)
    async def backtest_page(backtest_id: Id, request: Request, tenant: Tenant) -> HTMLResponse:
        """What a backtest found, as one HTML page with plots that needs nothing else."""
        report = await jobs.report(_found(jobs, tenant, BACKTEST, backtest_id))
        if report is None:
            raise Problem(404, "no-report", f"backtest {backtest_id!r} has no report")
        page = await asyncio.to_thread(_page, report, str(request.base_url))
        return HTMLResponse(page, headers=PAGE_HEADERS)

    @router.post("/{backtest_id}/cancel")
    @needs(MANAGE_GOVERNOR)
    async def cancel_backtest(
        backtest_id: Id, tenant: Tenant, caller: Caller, once: Repeatable
    ) -> JsonResponse:
        """End a backtest that runs or waits. 409 if it is over."""
        job = _found(jobs, tenant, BACKTEST, backtest_id)
        return await once.run(f"cancel {job.id}", None, lambda: _cancelled(jobs, job, caller.name))

    return router


def _replays(jobs: RerunJobs) -> Router:
    router = Router(prefix="/replays", tags=["replays"])

    @router.post("", status_code=201)
    @needs(MANAGE_GOVERNOR)
    async def replay(
        body: NewReplay, parts: Parts, tenant: Tenant, caller: Caller, once: Repeatable
    ) -> JsonResponse:
        """Replay stored history under what was active then, and compare every event's hash.

        It waits with the backtests for its turn.
        """

        async def launch() -> JsonResponse:
            job = _job(REPLAY, parts, tenant, caller.name)
            job.after_seq, job.through_seq = body.after_seq, body.through_seq or 0
            await _launch(jobs, job)
            return JsonResponse(_body(job), 201)

        return await once.run("replay", body, launch)

    @router.get("")
    @needs(READ_LIFECYCLE)
    async def replays(tenant: Tenant) -> JsonResponse:
        """Replays that run, wait or were made lately, newest first."""
        return _listed(jobs, tenant, REPLAY, "replays")

    @router.get("/{replay_id}")
    @needs(READ_LIFECYCLE)
    async def one_replay(replay_id: Id, tenant: Tenant) -> JsonResponse:
        """One replay: its state, how far it is, both digests and the first difference."""
        return await _whole(jobs, _found(jobs, tenant, REPLAY, replay_id))

    @router.post("/{replay_id}/cancel")
    @needs(MANAGE_GOVERNOR)
    async def cancel_replay(
        replay_id: Id, tenant: Tenant, caller: Caller, once: Repeatable
    ) -> JsonResponse:
        """End a replay that runs or waits. 409 if it is over."""
        job = _found(jobs, tenant, REPLAY, replay_id)
        return await once.run(f"cancel {job.id}", None, lambda: _cancelled(jobs, job, caller.name))

    return router


async def _manifest(
    which: WhichManifest, parts: ApiDependencies, tenant: str, field: str
) -> Manifest:
    if (which.version is None) == (which.source is None):
        raise bad_field(field, which.version, "name a manifest by its version or give its source")
    if which.source is not None:
        must_be_storable(parts.texts, "source", which.source)
        return await asyncio.to_thread(read_source, which.source)
    known = await parts.manifests.all(tenant)
    canonical = {one.version: one.canonical for one in known.manifests}
    canonical["active"] = known.active_canonical
    if which.version not in canonical:
        raise unknown_manifest(str(which.version))
    return await asyncio.to_thread(Manifest.from_json, canonical[which.version])


def _until(until_unix_nano: int | None, now_unix_nano: int, since_unix_nano: int) -> int:
    if until_unix_nano is None:
        return now_unix_nano
    if until_unix_nano <= since_unix_nano:
        raise bad_field("until", iso_time(until_unix_nano), "until is not after since")
    return until_unix_nano


def _job(kind: Kind, parts: ApiDependencies, tenant: str, principal: str) -> Job:
    now = parts.clock()
    return Job(f"{kind}_{digits(now)}", kind, tenant, principal, now)


def _name(manifest: Manifest) -> ManifestName:
    return ManifestName(manifest.name, manifest.version, manifest.sha256)


async def _launch(jobs: RerunJobs, job: Job, new: bytes = b"", against: bytes = b"") -> None:
    try:
        await jobs.launch(job, new, against)
    except TooMany as full:
        raise Problem(503, "busy", str(full), retry_after_s=RETRY_AFTER_S) from None


def _found(jobs: RerunJobs, tenant: str, kind: Kind, job_id: str) -> Job:
    job = jobs.get(tenant, kind, job_id)
    if job is None:
        raise Problem(404, f"unknown-{kind}", f"no {kind} {job_id!r} is known")
    return job


async def _cancelled(jobs: RerunJobs, job: Job, who: str) -> JsonResponse:
    if not await jobs.cancel(job, f"cancelled by {who}", CANCEL_S):
        detail = f"{job.kind} {job.id!r} is over: it {job.state}"
        raise Problem(409, "is-over", detail, details={"state": job.state})
    return JsonResponse(_body(job))


def _listed(jobs: RerunJobs, tenant: str, kind: Kind, name: str) -> JsonResponse:
    found = [_body(job) for job in jobs.all(tenant, kind)]
    return JsonResponse({name: found, "total": len(found)})


async def _whole(jobs: RerunJobs, job: Job) -> JsonResponse:
    report = await jobs.report(job)
    return JsonResponse({**_body(job), "report": None if report is None else msgspec.Raw(report)})


def _body(job: Job) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "progress": {"done": job.done, "total": job.total},
        "error": job.error or None,
        "principal": job.principal,
        "created_at": iso_time(job.created_unix_nano),
        "started_at": iso_time(job.started_unix_nano),
        "ended_at": iso_time(job.ended_unix_nano),
    }
    if job.kind == REPLAY:
        return {**body, "after_seq": job.after_seq, "through_seq": job.through_seq or None}
    return {
        **body,
        "manifest": job.new,
        "against": job.against,
        "since": iso_time(job.since_unix_nano),
        "until": iso_time(job.until_unix_nano),
    }


def _page(report: bytes, base_url: str) -> str:
    return report_page(with_links(report, base_url))
