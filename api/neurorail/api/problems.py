"""Errors over HTTP: RFC 9457 problems with the project's own members.

Every error an endpoint answers is a `Problem`; what the framework raises is turned into one here,
so that clients read one shape.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from neurorail.api.encoding import JsonResponse
from neurorail.collector.engine.applier import Busy
from neurorail.rules import errors

_LOG = logging.getLogger(__name__)
_RETRIABLE = frozenset({429, 502, 503, 504})
_TOO_LARGE = 413


class ProblemBody(BaseModel):
    """An error, as every endpoint answers it (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str | None
    category: str
    retriable: bool
    details: dict[str, Any]


_EXAMPLES: Mapping[int, tuple[str, dict[str, Any]]] = {
    401: ("no valid credential", {"reason": "missing"}),
    403: ("the credential lacks a permission", {"permission": "write:lifecycle",
                                               "missing_permissions": ["write:lifecycle"]}),
    404: ("it is not known", {"entity_type": "mission", "entity_id": "m_1"}),
    409: ("it is not possible now", {"current_state": "succeeded", "allowed_transitions": []}),
    413: ("the body is too large", {}),
    421: ("the request is for another host", {}),
    422: ("a field cannot be read", {"field": "limit", "value": "-1"}),
    429: ("more requests than this caller may send", {}),
    500: ("a defect of the server", {}),
    503: ("a part of the server cannot answer now", {}),
}  # fmt: skip


def documented() -> dict[int | str, dict[str, Any]]:
    """The errors that any operation may answer, for the description of the API."""
    responses: dict[int | str, dict[str, Any]] = {}
    for status, (meaning, details) in _EXAMPLES.items():
        example = {
            "type": f"urn:neurorail:problem:{HTTPStatus(status).phrase.lower().replace(' ', '-')}",
            "title": HTTPStatus(status).phrase.lower(),
            "status": status,
            "detail": meaning,
            "code": None,
            "category": errors.SYSTEM,
            "retriable": status in _RETRIABLE,
            "details": details,
        }
        schema = {"$ref": "#/components/schemas/ProblemBody"}
        content = {"application/problem+json": {"schema": schema, "example": example}}
        responses[status] = {"description": meaning, "content": content}
    return responses


class Problem(Exception):
    """An error with the answer it becomes."""

    def __init__(
        self,
        status: int,
        slug: str,
        detail: str,
        *,
        code: str | None = None,
        details: Mapping[str, Any] | None = None,
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Args: `slug` names the kind of problem; `code` is an NR code where one applies."""
        super().__init__(detail)
        self.status = status
        self.slug = slug
        self.detail = detail
        self.code = code
        self.details = dict(details or {})
        self.headers = dict(headers or {})
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(retry_after_s)

    def response(self) -> JsonResponse:
        """The answer."""
        known = errors.CODES.get(self.code or "")
        body = {
            "type": f"urn:neurorail:problem:{self.slug}",
            "title": known.meaning if known else HTTPStatus(self.status).phrase.lower(),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "category": known.category if known else errors.SYSTEM,
            "retriable": known.retriable if known else self.status in _RETRIABLE,
            "details": self.details,
        }
        return JsonResponse(
            body, self.status, headers=self.headers, media_type="application/problem+json"
        )


def unknown_entity(entity_type: str, entity_id: str) -> Problem:
    """404: the entity was never seen."""
    return Problem(
        404,
        "unknown-entity",
        f"no {entity_type} with id {entity_id!r} is known",
        details={"entity_type": entity_type, "entity_id": entity_id},
    )


def bad_field(field: str, value: object, detail: str) -> Problem:
    """422: a field cannot be read."""
    shown = str(value)[:100]
    return Problem(422, "bad-field", detail, details={"field": field, "value": shown})


def _validation_problem(request: Request, failures: Sequence[Mapping[str, Any]]) -> Problem:
    fields = [_invalid_field(request, failure) for failure in failures]
    detail = "; ".join(f"{f['field']}: {f['reason']}" for f in fields)
    return Problem(
        422, "bad-field", detail, details={"field": fields[0]["field"], "fields": fields}
    )


def _invalid_field(request: Request, failure: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with one field, or with the body as a whole."""
    place: tuple[str | int, ...] = failure["loc"]
    if failure["type"] == "json_invalid":
        # Its place is a position in the text.
        reason = str(failure["ctx"]["error"])
        return {"field": "body", "reason": f"it is no JSON at character {place[-1]}: {reason}"}
    if place == ("body",) and not _says_json(request):
        reason = "it is not read as JSON: send it with the header Content-Type: application/json"
        return {"field": "body", "reason": reason}
    name = ".".join(str(part) for part in place[1:]) or str(place[0])
    return {"field": name, "reason": str(failure["msg"]).lower()}


def _says_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


def install(app: FastAPI) -> None:
    """Make the application answer every error as a problem."""

    @app.exception_handler(Problem)
    async def on_problem(_: Request, problem: Problem) -> JsonResponse:
        return problem.response()

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, failure: RequestValidationError) -> JsonResponse:
        return _validation_problem(request, failure.errors()).response()

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, failure: HTTPException) -> JsonResponse:
        if failure.status_code == HTTPStatus.BAD_REQUEST:
            # The framework's for a body that is no UTF-8: to a client that is no JSON as any other.
            return bad_field("body", "", "body: it is no JSON in UTF-8").response()
        slug = HTTPStatus(failure.status_code).phrase.lower().replace(" ", "-")
        detail = f"{request.method} {request.url.path[:200]}: {str(failure.detail).lower()}"
        response = Problem(failure.status_code, slug, detail).response()
        response.headers.update(failure.headers or {})
        return response

    @app.exception_handler(Busy)
    async def on_busy(_: Request, busy: Busy) -> JsonResponse:
        return _busy(busy)

    @app.exception_handler(Exception)
    async def on_bug(request: Request, failure: Exception) -> JsonResponse:
        return _bug(request, failure)


def telling_of_large_bodies(scope: Scope, receive: Receive, send: Send) -> Send:
    """Sending that puts a problem in the place of the framework's plain text for a large body."""
    replaced = False

    async def sending(message: Message) -> None:
        nonlocal replaced
        if message["type"] == "http.response.start" and message["status"] == _TOO_LARGE:
            replaced = True
            detail = "the body is larger than this operation takes"
            await Problem(_TOO_LARGE, "content-too-large", detail).response()(scope, receive, send)
        elif not replaced:
            await send(message)

    return sending


def answer_of(request: Request, failure: Exception) -> JsonResponse:
    """The answer to a request whose endpoint raised."""
    if isinstance(failure, Problem):
        return failure.response()
    return _busy(failure) if isinstance(failure, Busy) else _bug(request, failure)


def _busy(busy: Busy) -> JsonResponse:
    return Problem(503, "engine-unavailable", str(busy), retry_after_s=5).response()


def _bug(request: Request, failure: Exception) -> JsonResponse:
    _LOG.error("request failed: %s %s", request.method, request.url.path, exc_info=failure)
    detail = "the server failed to answer; its log says why"
    return Problem(500, "internal-error", detail).response()
