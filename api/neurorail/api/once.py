"""Answers that are remembered, so that a request sent again does nothing twice.

What is written to the inbox is remembered by the engine, durably (`writing`). This is for requests
whose effect lies elsewhere: a key made, a backtest launched, a part of the trail removed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Annotated, Final

import msgspec
from fastapi import Depends, Header
from pydantic import BaseModel

from neurorail.api.access import Caller
from neurorail.api.dependencies import Parts, Tenant
from neurorail.api.encoding import JsonResponse
from neurorail.api.problems import Problem
from neurorail.api.remembered import Answer, Answers

KEY_MAX: Final = 255
IdempotencyKey = Annotated[
    str | None,
    Header(
        max_length=KEY_MAX,
        min_length=1,
        pattern=r"^[\x21-\x7e]+$",
        description="the same key and body again give the same answer, and nothing twice",
    ),
]


class Once:
    """Runs one request at most once for its idempotency key, if it has any."""

    def __init__(
        self, answers: Answers, tenant: str, principal: str, key: str | None, now_unix_nano: int
    ) -> None:
        self._answers = answers
        self._who = (tenant, principal)
        self._key = key
        self._now_unix_nano = now_unix_nano

    async def run(
        self,
        operation: str,
        body: BaseModel | None,
        act: Callable[[], Awaitable[JsonResponse]],
    ) -> JsonResponse:
        """What `act` answers, or what it answered to the same request before.

        Args:
            operation: names the endpoint and what its path holds.
            body: the request's own, by which a repetition is recognised.
            act: does it; when it raises, the request may be sent again.

        Raises:
            Problem: 422 if the key was used with another body, 409 while the first is under way.
        """
        if self._key is None:
            return await act()
        asked = (*self._who, operation, self._key)
        said = b"" if body is None else msgspec.json.encode(body.model_dump(mode="json"))
        digest = sha256(said).digest()
        known = self._answers.find(asked, self._now_unix_nano)
        if known is not None:
            return _again(known, digest)
        answer = self._answers.begin(asked, digest, self._now_unix_nano)
        try:
            answer.response = await act()
        except BaseException:
            self._answers.forget(asked)
            raise
        return answer.response


def _again(known: Answer, digest: bytes) -> JsonResponse:
    if known.digest != digest:
        raise key_reused()
    if known.response is None:
        raise Problem(
            409, "under-way", "the same request is under way: ask again for its answer",
            retry_after_s=1,
        )  # fmt: skip
    first = known.response
    headers = {**first.headers, "Idempotent-Replayed": "true"}
    return JsonResponse(msgspec.Raw(first.body), first.status_code, headers)


def key_reused() -> Problem:
    """An idempotency key came with another body than the first time."""
    return Problem(
        422, "idempotency-key-reused",
        "this idempotency key was used with another body: use a new key for a new request",
        details={"field": "Idempotency-Key"},
    )  # fmt: skip


async def once(
    parts: Parts, tenant: Tenant, caller: Caller, idempotency_key: IdempotencyKey = None
) -> Once:
    """What an endpoint depends on whose effect is no record of the inbox alone."""
    return Once(parts.answers, tenant, caller.name, idempotency_key, parts.clock())


Repeatable = Annotated[Once, Depends(once)]
