from __future__ import annotations

import asyncio
import dataclasses
import datetime
import decimal
import enum
import uuid
from pathlib import PurePosixPath
from typing import Any

import pydantic
import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from tests.instrumentation.conftest import Told

from neurorail.instrumentation import resource, tool
from neurorail.instrumentation.arguments_hash import ATTRIBUTE, arguments_hash
from neurorail.instrumentation.process import process


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Place:
    name: str
    at: datetime.date


class Query(pydantic.BaseModel):
    text: str
    since: datetime.date


def told_hashes(told: Told, name: str = "execute_tool search") -> list[Any]:
    return [(span.attributes or {}).get(ATTRIBUTE) for span in told.spans if span.name == name]


def test_equal_calls_have_equal_hashes_however_they_are_written(told: Told) -> None:
    @tool("search")
    def search(query: str, limit: int = 3) -> str:
        return query

    search("bees", 5)
    search("bees", limit=5)
    search(limit=5, query="bees")
    search("wasps", 5)
    first, second, third, other = told_hashes(told)
    assert first == second == third != other
    # In every process, of every version: else what was seen before is not recognised.
    assert first == "sha256:dc2e81cc02f70eb16f4048d7fd2ffe60"
    assert "bees" not in str([span.attributes for span in told.spans])


async def test_coroutines_methods_and_plain_resources_too(told: Told) -> None:
    class Tools:
        @tool("search")
        async def search(self, query: str) -> str:
            await asyncio.sleep(0)
            return query

        @resource("tool_call", name="fetch")
        def fetch(self, address: str) -> str:
            return address

        @resource("api_call", name="get")
        def get(self, address: str) -> str:
            return address

    await Tools().search("bees")
    await Tools().search(query="bees")
    one, same = told_hashes(told)
    assert one == same is not None
    Tools().fetch("here")
    Tools().get("here")
    assert None not in told_hashes(told, "tool_call fetch")
    assert told_hashes(told, "api_call get") == [None]


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ({"b": 1, "a": [2, None]}, {"a": [2, None], "b": 1}, {"a": [2, None], "b": 2}),
        ({"x", "y"}, {"y", "x"}, ["x", "y"]),
        (b"bytes", b"bytes", bytearray(b"bytes")),
        (Place("x", datetime.date(2026, 1, 1)),) * 2 + (Place("x", datetime.date(2026, 1, 2)),),
        (Query(text="x", since=datetime.date(2026, 1, 1)),) * 2
        + (Query(text="y", since=datetime.date(2026, 1, 1)),),
        (decimal.Decimal("1.0"), decimal.Decimal("1.0"), "1.0"),
        (Colour.RED, Colour.RED, "RED"),
        (uuid.UUID(int=1), uuid.UUID(int=1), uuid.UUID(int=2)),
        (PurePosixPath("/a"), PurePosixPath("/a"), "/a"),
        ("\ud800", "\ud800", "\ud801"),
        (float("nan"), float("nan"), None),
    ],
)
def test_what_is_equal_is_recognised(one: Any, same: Any, other: Any) -> None:
    hashes = [arguments_hash(("given",), (value,), {}) for value in (one, same, other)]
    assert None not in hashes
    assert hashes[0] == hashes[1] != hashes[2]


class Hostile:
    def model_dump(self) -> Any:
        raise RuntimeError("not now")


def circular() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


@pytest.mark.parametrize("odd", [object(), Hostile(), circular(), {(1, 2): 3}, {1: 2, "a": 3}, len])
def test_what_cannot_be_written_down_breaks_nothing(told: Told, odd: Any) -> None:
    @tool("search")
    def search(given: Any) -> str:
        return "found"

    assert search(odd) == "found"
    assert told_hashes(told) == [None]


def test_more_arguments_than_names_count_too() -> None:
    assert arguments_hash((), (1, 2), {}) == arguments_hash((), (1, 2), {})
    assert arguments_hash((), (1, 2), {}) != arguments_hash((), (2, 1), {})


def test_what_nobody_records_is_not_hashed(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process().tracer, "sampler", ALWAYS_OFF)
    asked = []

    class Asked(Hostile):
        def model_dump(self) -> Any:
            asked.append(1)

    @tool("search")
    def search(given: Any) -> str:
        return "found"

    assert search(Asked()) == "found"
    assert asked == []
