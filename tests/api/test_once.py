"""A request with an idempotency key is done once, whatever it does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from neurorail.api.encoding import JsonResponse
from neurorail.api.once import Once
from neurorail.api.problems import Problem
from neurorail.api.remembered import ANSWERS_MAX, KEPT_NS, Answers


class Order(BaseModel):
    """A body."""

    name: str


class Shop:
    """What must not happen twice."""

    def __init__(self) -> None:
        self.answers = Answers()
        self.now_unix_nano = 1
        self.done = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.broken = False

    async def act(self) -> JsonResponse:
        await self.gate.wait()
        if self.broken:
            raise Problem(503, "busy", "not now")
        self.done += 1
        return JsonResponse({"number": self.done}, 201, {"Cache-Control": "no-store"})

    async def ask(
        self, key: str | None, name: str = "x", who: str = "key:1", operation: str = "order"
    ) -> JsonResponse:
        once = Once(self.answers, "default", who, key, self.now_unix_nano)
        return await once.run(operation, Order(name=name), self.act)


@pytest.fixture
def shop() -> Shop:
    return Shop()


async def test_the_same_request_again_is_answered_as_the_first(shop: Shop) -> None:
    first, again = await shop.ask("k"), await shop.ask("k")
    assert (shop.done, again.status_code, again.body) == (1, 201, first.body)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Cache-Control"] == "no-store"
    assert again.headers["Content-Length"] == str(len(first.body))


@pytest.mark.parametrize(
    "other", [{"key": None}, {"key": "l"}, {"who": "key:2"}, {"operation": "other"}]
)
async def test_another_key_caller_or_endpoint_is_another_request(
    shop: Shop, other: dict[str, Any]
) -> None:
    await shop.ask("k")
    await shop.ask(**{"key": "k", **other})
    assert shop.done == 2


async def test_another_body_is_refused(shop: Shop) -> None:
    await shop.ask("k")
    with pytest.raises(Problem) as refused:
        await shop.ask("k", name="y")
    assert (refused.value.status, refused.value.slug) == (422, "idempotency-key-reused")


async def test_what_failed_may_be_tried_again(shop: Shop) -> None:
    shop.broken = True
    with pytest.raises(Problem):
        await shop.ask("k")
    shop.broken = False
    assert (await shop.ask("k")).status_code == 201


async def test_while_the_first_is_under_way_the_second_is_told_to_wait(shop: Shop) -> None:
    shop.gate.clear()
    first = asyncio.create_task(shop.ask("k"))
    await asyncio.sleep(0)
    with pytest.raises(Problem) as refused:
        await shop.ask("k")
    assert (refused.value.status, refused.value.headers) == (409, {"Retry-After": "1"})
    shop.gate.set()
    assert (await first).body == (await shop.ask("k")).body
    assert shop.done == 1


async def test_answers_are_forgotten_after_an_hour(shop: Shop) -> None:
    await shop.ask("k")
    shop.now_unix_nano += KEPT_NS - 1
    await shop.ask("k")
    assert shop.done == 1
    shop.now_unix_nano += 1
    await shop.ask("k")
    assert (shop.done, len(shop.answers)) == (2, 1)


async def test_the_oldest_is_forgotten_when_there_are_too_many(shop: Shop) -> None:
    for number in range(ANSWERS_MAX + 1):
        await shop.ask(f"k{number}")
    assert len(shop.answers) == ANSWERS_MAX
    assert shop.answers.forgotten == 1
    await shop.ask("k1")
    await shop.ask("k0")
    assert shop.done == ANSWERS_MAX + 2
