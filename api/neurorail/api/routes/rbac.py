"""Roles and permissions, and the keys that carry them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from neurorail.api.access import Caller, Router, needs
from neurorail.api.dependencies import ApiDependencies, Parts
from neurorail.api.encoding import JsonResponse, iso_time
from neurorail.api.once import Repeatable
from neurorail.api.paging import unix_nano
from neurorail.api.problems import Problem, bad_field
from neurorail.collector.access import ApiKey, Denial, NewKey, Principal
from neurorail.collector.access.keys import checked
from neurorail.collector.access.permissions import (
    MANAGE_RBAC,
    PERMISSIONS,
    ROLES,
    SYSTEM_ADMIN,
    in_order,
)
from neurorail.collector.access.verdicts import FORBIDDEN
from neurorail.collector.decode.system import NotedRecord

router = Router(prefix="/rbac", tags=["rbac"])

Role = Literal["admin", "operator", "viewer"]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AuthorizeRequest(_Body):
    """What somebody in a role would need."""

    user_id: Annotated[str, Field(max_length=256)]
    role: Role
    required_permissions: Annotated[list[str], Field(max_length=100)]
    require_all: bool = True


@router.post("/authorize")
@needs()
async def authorize(body: AuthorizeRequest) -> JsonResponse:
    """Whether a role has permissions. Advice: what a request may do its own credential decides.

    200 also when it is denied.
    """
    for name in body.required_permissions:
        if name not in PERMISSIONS:
            known = ", ".join(PERMISSIONS)
            raise bad_field("required_permissions", name, f"{name[:50]!r} is none of {known}")
    wanted = dict.fromkeys(body.required_permissions)
    granted = [name for name in wanted if name in ROLES[body.role]]
    missing = [name for name in wanted if name not in ROLES[body.role]]
    allowed = not missing if body.require_all else bool(granted) or not wanted
    return JsonResponse(
        {
            "allowed": allowed,
            "user_id": body.user_id,
            "role": body.role,
            "required_permissions": list(wanted),
            "granted_permissions": granted,
            "missing_permissions": missing,
        }
    )


@router.get("/permissions/{role}")
@needs()
async def permissions(role: Role) -> JsonResponse:
    """The permissions of a role."""
    return JsonResponse({"role": role, "permissions": ROLES[role]})


@router.get("/whoami")
@needs(agents=True, scoped=True)
async def whoami(caller: Caller) -> JsonResponse:
    """Who the credential of this request is, and what it may do."""
    return JsonResponse(
        {
            "principal": caller.name,
            "tenant": caller.tenant,
            "role": caller.role,
            "agent": caller.agent,
            "permissions": in_order(caller.permissions),
            "expires_at": iso_time(caller.expires_unix_nano or 0),
        }
    )


class KeyRequest(_Body):
    """A key to be made."""

    name: Annotated[str, Field(max_length=200)] = ""
    tenant: str | None = None
    """The caller's own, if left out."""
    role: Role | None = None
    permissions: Annotated[list[str], Field(max_length=20)] = []
    agent: bool = False
    missions: Annotated[list[str], Field(max_length=1_000)] = []
    tags: dict[str, str] = {}
    expires_at: datetime | None = None
    rate_per_s: Annotated[int | None, Field(ge=1, le=1_000_000)] = None


@router.get("/keys")
@needs(MANAGE_RBAC)
async def keys(parts: Parts, caller: Caller) -> JsonResponse:
    """Every key of the caller's tenant, oldest first, without the keys themselves.

    `system:admin` sees those of all tenants.
    """
    found = [key for key in parts.access.gate.keys.all() if _sees(caller, key.tenant)]
    return JsonResponse({"keys": [key_body(key) for key in found]})


@router.post("/keys", status_code=201)
@needs(MANAGE_RBAC)
async def create_key(
    request: Request, body: KeyRequest, parts: Parts, caller: Caller, once: Repeatable
) -> JsonResponse:
    """Make a key. `key` in the answer is the key itself, which is shown this once."""
    return await once.run("key", body, lambda: _made(request, body, parts, caller))


async def _made(
    request: Request, body: KeyRequest, parts: ApiDependencies, caller: Principal
) -> JsonResponse:
    new = NewKey(
        name=parts.texts.text(body.name),
        tenant=body.tenant or caller.tenant,
        role=body.role,
        permissions=tuple(body.permissions),
        agent=body.agent,
        missions=tuple(body.missions),
        tags=body.tags,
        expires_unix_nano=unix_nano("expires_at", body.expires_at),
        rate_per_s=body.rate_per_s,
    )
    store = parts.access.gate.keys
    try:
        checked(new)
        denial = _goes_beyond(caller, new)
        if denial is not None:
            raise parts.access.denied(request, denial)
        key, text = await asyncio.to_thread(store.create, new, caller.name)
    except ValueError as wrong:
        raise Problem(422, "bad-field", str(wrong)) from None
    except OSError as error:
        raise _not_stored(error) from None
    await parts.note(created(key), key.tenant, caller.name)
    return JsonResponse({**key_body(key), "key": text}, 201, {"Cache-Control": "no-store"})


@router.post("/keys/{key_id}/revoke")
@needs(MANAGE_RBAC)
async def revoke_key(key_id: str, parts: Parts, caller: Caller) -> JsonResponse:
    """Revoke a key: it is good for nothing from the next request on. Twice changes nothing."""
    store = parts.access.gate.keys
    known = store.find(key_id)
    if known is None or not _sees(caller, known.tenant):
        raise Problem(404, "unknown-key", f"no key with id {key_id[:50]!r} is known")
    try:
        key = await asyncio.to_thread(store.revoke, key_id)
    except OSError as error:
        raise _not_stored(error) from None
    assert key is not None, "keys are never removed while the server runs"
    if known.revoked_unix_nano is None:
        await parts.note(revoked(key), key.tenant, caller.name)
    return JsonResponse(key_body(key))


def _not_stored(error: OSError) -> Problem:
    return Problem(503, "not-stored", f"the keys cannot be written: {error.strerror}")


def created(key: ApiKey) -> NotedRecord:
    """The record that a key was made."""
    data: dict[str, Any] = {
        "key_id": key.id,
        "name": key.name,
        "role": key.role,
        "permissions": in_order(key.granted),
        "agent": key.agent,
        "key_tenant": key.tenant,
        "expires_at": iso_time(key.expires_unix_nano or 0),
    }
    return NotedRecord("key_created", data, f"the key {key.prefix} was made")


def revoked(key: ApiKey) -> NotedRecord:
    """The record that a key was revoked."""
    data = {"key_id": key.id, "name": key.name}
    return NotedRecord("key_revoked", data, f"the key {key.prefix} was revoked")


def key_body(key: ApiKey) -> dict[str, Any]:
    """A key as the API shows it."""
    return {
        "key_id": key.id,
        "prefix": key.prefix,
        "name": key.name,
        "tenant": key.tenant,
        "role": key.role,
        "permissions": in_order(key.granted),
        "agent": key.agent,
        "missions": key.missions,
        "tags": key.tags,
        "rate_per_s": key.rate_per_s,
        "created_at": iso_time(key.created_unix_nano),
        "created_by": key.created_by,
        "expires_at": iso_time(key.expires_unix_nano or 0),
        "revoked_at": iso_time(key.revoked_unix_nano or 0),
        "last_used_at": iso_time(key.last_used_unix_nano or 0),
    }


def _sees(caller: Principal, tenant: str) -> bool:
    return tenant == caller.tenant or SYSTEM_ADMIN in caller.permissions


def _goes_beyond(caller: Principal, new: NewKey) -> Denial | None:
    """Nobody gives away what they do not have."""
    granted = {*ROLES.get(new.role or "", ()), *new.permissions}
    beyond = in_order(granted - caller.permissions)
    if not _sees(caller, new.tenant):
        beyond.append(SYSTEM_ADMIN)
    if not beyond:
        return None
    detail = f"a key may not do more than who makes it, who lacks {' and '.join(beyond)}"
    return Denial(FORBIDDEN, detail, caller.name, caller.tenant, " ".join(beyond))
