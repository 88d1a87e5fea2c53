"""Asking a server's governor, from one caller or from many at once."""

from __future__ import annotations

import http.client
import itertools
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.end_to_end.rail import Chain, Rail, lifecycle_log

GOVERNOR = "/api/governor/v1"
CALLERS = 16


def begin_with_budget(rail: Rail, chain: Chain, **budget: Any) -> None:
    """A mission begins, and says what its budget is."""
    limits = {f"neurorail.budget.{name}": value for name, value in budget.items()}
    steps = {"neurorail.transitions": ["create", "enqueue", "start"]}
    attributes = {**chain.attributes(1), **steps, **limits}
    rail.send("logs", lifecycle_log(attributes, time.time_ns()))
    rail.in_state(chain.mission, "running")


class Caller:
    """One connection to a server's API."""

    def __init__(self, api: str) -> None:
        self._connection = http.client.HTTPConnection(api.removeprefix("http://"), timeout=60)

    def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        data = json.dumps({} if body is None else body)
        self._connection.request(
            "POST", f"{GOVERNOR}{path}", data, {"content-type": "application/json"}
        )
        response = self._connection.getresponse()
        return response.status, json.loads(response.read(), parse_float=str)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def hold(rail: Rail, source: str, version: str) -> None:
    """Let a manifest hold from now on, whatever gate the one before has."""
    caller = Caller(rail.server.api)
    status, answer = caller.post("/manifests", {"source": source})
    assert status == 201, answer
    for action, more in (("shadow", {}), ("activate", {"force": True, "reason": "a test"})):
        status, answer = caller.post(f"/manifests/{version}/{action}", more)
        assert status == 200, answer
    caller.close()


def ask_until_killed(
    rail: Rail, requests: Sequence[tuple[str, Any]], answers_before: int
) -> list[Any]:
    """Ask many at once and kill the server when so many are answered; None where none came."""
    answers: list[Any] = [None] * len(requests)
    answered = itertools.count(1)

    def some(first: int) -> None:
        caller = Caller(rail.server.api)
        try:
            for place in range(first, len(requests), CALLERS):
                _, answers[place] = caller.post(*requests[place])
                if next(answered) == answers_before:
                    rail.server.kill()
        except (OSError, http.client.HTTPException, ValueError):
            pass  # The server is gone.
        finally:
            caller.close()

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(some, range(CALLERS)))
    return answers


def ask_all(rail: Rail, requests: Sequence[tuple[str, Any]], callers: int = CALLERS) -> list[Any]:
    """Ask many things at once; the answers in the order of the requests.

    Raises:
        AssertionError: one of them was no 200.
    """
    answers: list[Any] = [None] * len(requests)

    def some(first: int) -> None:
        caller = Caller(rail.server.api)
        try:
            for place in range(first, len(requests), callers):
                path, body = requests[place]
                status, answer = caller.post(path, body)
                assert status == 200, (path, status, answer)
                answers[place] = answer
        finally:
            caller.close()

    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(some, range(callers)))
    return answers
