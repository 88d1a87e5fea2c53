"""Manifests: made, evaluated as shadows, activated through their gate, retired."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Request
from pydantic import Field

from neurorail.api.access import Router, needs
from neurorail.api.dependencies import ApiDependencies, Parts, Tenant
from neurorail.api.encoding import JsonResponse, iso_time
from neurorail.api.problems import Problem
from neurorail.api.texts import must_be_storable
from neurorail.api.writing import Body, Outcome, Writer, Writing
from neurorail.collector.access import Denial, Principal
from neurorail.collector.access.permissions import (
    EMERGENCY_OVERRIDE,
    MANAGE_GOVERNOR,
    READ_LIFECYCLE,
)
from neurorail.collector.access.verdicts import FORBIDDEN
from neurorail.collector.decode.manifest import ManifestCommand, ManifestMoveCommand
from neurorail.collector.engine.manifest_view import ManifestList, ManifestView
from neurorail.collector.manifests.read import read_manifest
from neurorail.rules.manifest.actions import Alert
from neurorail.rules.manifest.changes import BLOCKED, INVALID
from neurorail.rules.manifest.faults import ManifestInvalid
from neurorail.rules.manifest.model import Manifest

router = Router(prefix="/manifests", tags=["manifests"])

SOURCE_MAX = 200_000
FAULTS_TOLD = 3
"""Faults that the sentence of an answer names; `details` has all."""
CANONICAL_BYTES_MAX = 256 << 10


class NewManifest(Body):
    """A manifest as people write it."""

    source: Annotated[str, Field(max_length=SOURCE_MAX, description="YAML")]


class Move(Body):
    """Why a manifest is moved on."""

    reason: Annotated[str, Field(max_length=1_000)] = ""
    force: Annotated[bool, Field(description="past the gate; needs emergency:override")] = False


@router.get("")
@needs(READ_LIFECYCLE)
async def manifests(parts: Parts, tenant: Tenant) -> JsonResponse:
    """Every manifest, oldest first, and the one that is in force."""
    found = await parts.manifests.all(tenant)
    return JsonResponse(
        {
            "active": {"version": found.active_version, "sha256": found.active_sha256},
            "manifests": [_body(one) for one in found.manifests],
        }
    )


@router.post("", status_code=201)
@needs(MANAGE_GOVERNOR)
async def create(body: NewManifest, writer: Writing) -> JsonResponse:
    """Make a manifest from YAML: a draft. 422 with every fault if it is wrong (NR-E110).

    `warnings` names alerts that would be sent nowhere: their webhook is not configured.
    """
    must_be_storable(writer.parts.texts, "source", body.source)
    manifest = await asyncio.to_thread(read_source, body.source)
    command = ManifestCommand(manifest.json.decode(), body.source)
    outcome = await writer.write(command, body, "manifest-create")
    warnings = _unsent(manifest, writer.parts.webhooks)
    return await _answer(writer, outcome, manifest.version, 201, warnings)


@router.get("/{version}")
@needs(READ_LIFECYCLE)
async def manifest(version: str, parts: Parts, tenant: Tenant) -> JsonResponse:
    """One manifest, as it was written and in its canonical form; `active` is the one in force."""
    found = await parts.manifests.all(tenant)
    if version == "active":
        # Not by version: the shipped one has a version too, which another may have taken.
        known = next((m for m in found.manifests if m.sha256 == found.active_sha256), None)
        if known is None:
            return JsonResponse(_shipped(found))
        return JsonResponse(_whole(known))
    one = _find(found, version)
    if one is None:
        raise unknown_manifest(version)
    return JsonResponse(_whole(one))


@router.post("/{version}/{action}")
@needs(MANAGE_GOVERNOR)
async def move(
    version: str,
    action: Literal["shadow", "activate", "retire"],
    body: Move,
    request: Request,
    writer: Writing,
) -> JsonResponse:
    """Move a manifest on. 409 if its state or its gate (NR-E132) does not allow it.

    `force` goes past the gate; it needs `emergency:override` and a reason, and is audited.
    Activation warns of alerts that would be sent nowhere, as making it does.
    """
    if body.force:
        _may_force(request, writer.parts, writer.caller, body.reason)
    found = _find(await writer.parts.manifests.all(writer.tenant), version)
    if found is None:
        raise unknown_manifest(version)
    command = ManifestMoveCommand(version, action, body.reason, body.force)
    outcome = await writer.write(command, body, f"manifest-{action} {version}")
    warnings = []
    if action == "activate":
        warnings = _unsent(Manifest.from_json(found.canonical), writer.parts.webhooks)
    return await _answer(writer, outcome, version, 200, warnings)


def read_source(source: str) -> Manifest:
    """A manifest from its YAML. Raises a 422 problem with every fault (NR-E110)."""
    try:
        found = read_manifest(source)
    except ManifestInvalid as error:
        faults = [
            {"line": one.line, "column": one.column, "path": one.path, "message": one.message}
            for one in error.faults
        ]
        message = "; ".join(map(str, error.faults[:FAULTS_TOLD]))
        if len(faults) > FAULTS_TOLD:
            message += f"; and {len(faults) - FAULTS_TOLD} more, in `details.faults`"
        raise Problem(
            422, "manifest-invalid", message, code=INVALID, details={"faults": faults}
        ) from None
    if len(found.json) > CANONICAL_BYTES_MAX:
        message = f"the manifest has {len(found.json)} bytes, at most {CANONICAL_BYTES_MAX} fit"
        raise Problem(422, "manifest-invalid", message, code=INVALID)
    return found


def _may_force(request: Request, parts: ApiDependencies, caller: Principal, reason: str) -> None:
    if EMERGENCY_OVERRIDE not in caller.permissions:
        detail = f"going past the gate needs {EMERGENCY_OVERRIDE}"
        denial = Denial(FORBIDDEN, detail, caller.name, caller.tenant, EMERGENCY_OVERRIDE)
        raise parts.access.denied(request, denial)
    if not reason.strip():
        raise Problem(422, "bad-field", "going past the gate needs a `reason`", details={
            "field": "reason"})  # fmt: skip


def _unsent(manifest: Manifest, webhooks: frozenset[str]) -> list[dict[str, str]]:
    """A warning for each reflex with an alert that no configured webhook takes."""
    warnings = []
    for reflex in manifest.reflexes:
        named = [action.webhook for action in reflex.actions if isinstance(action, Alert)]
        gone = [name for name in named if (not webhooks if name is None else name not in webhooks)]
        for name in gone:
            webhook = "no webhook" if name is None else f"no webhook {name!r}"
            detail = f"reflex {reflex.id!r}: {webhook} is configured, its alert is sent nowhere"
            warnings.append({"code": "unknown-webhook", "field": "webhook", "detail": detail})
    return warnings


async def _answer(
    writer: Writer, outcome: Outcome, version: str, status: int, warnings: list[dict[str, str]]
) -> JsonResponse:
    refused = outcome.first("manifest_refused")
    if refused is not None:
        code = str(refused.data["code"])
        slug = "activation-blocked" if code == BLOCKED else "manifest-refused"
        details = {"unmet": refused.data["unmet"], "event_id": refused.event_id}
        raise Problem(409, slug, str(refused.data["reason"]), code=code, details=details)
    one = _find(await writer.parts.manifests.all(writer.tenant), version)
    if one is None:  # Somebody else's change came between.
        raise unknown_manifest(version)
    return outcome.answer({**_body(one), "warnings": warnings}, status)


def _find(found: ManifestList, version: str) -> ManifestView | None:
    return next((one for one in found.manifests if one.version == version), None)


def unknown_manifest(version: str) -> Problem:
    """404: no manifest has that version."""
    return Problem(404, "unknown-manifest", f"no manifest {version[:64]!r} is known")


def _body(one: ManifestView) -> dict[str, Any]:
    return {
        "version": one.version,
        "name": one.name,
        "state": one.state,
        "sha256": one.sha256,
        "previous_sha256": one.previous_sha256 or None,
        "chain_sha256": one.chain_sha256,
        "created_at": iso_time(one.created_unix_nano),
        "since": iso_time(one.since_unix_nano),
        "compared": one.compared,
        "unmet": one.unmet,
    }


def _whole(one: ManifestView) -> dict[str, Any]:
    return {**_body(one), "source": one.source, "manifest": msgspec.Raw(one.canonical)}


def _shipped(found: ManifestList) -> dict[str, Any]:
    """The shipped manifest as it holds: no record made it."""
    return {
        "version": found.active_version,
        "name": "default",
        "state": "active",
        "sha256": found.active_sha256,
        "source": None,
        "manifest": msgspec.Raw(found.active_canonical),
    }
