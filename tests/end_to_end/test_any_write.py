"""Whatever a request to write holds that the description allows, the engine goes on."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from tests.end_to_end.rail import Rail, until
from tests.support.process import running_server

pytestmark = pytest.mark.slow

WRITES = (
    r"/(agents|audit/log|budgets|confirmations|decide|identity|lifecycle|manifests|reflex"
    r"|reservations|telemetry)\b"
)
REQUESTS = 60
"""For each operation."""
LEVELS = ("mission", "plan", "job", "attempt")


@dataclass
class Known:
    """What exists, by the name that requests and answers have for it, and chance to speak of it."""

    chance: random.Random
    values: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def learn(self, answer: Any) -> None:
        """Remember what an answer names."""
        for name, value in answer.items() if isinstance(answer, dict) else ():
            if (
                isinstance(value, str)
                and name != "entity_id"
                and (name.endswith("_id") or name == "version")
            ):
                self.values[name].append(value)
            self.learn(value)

    def speak(self, asked: Any) -> None:
        """Let a request be about what exists, more often than not."""
        level = asked.get("entity_type") if isinstance(asked, dict) else None
        if level is not None and "entity_id" in asked:
            asked["entity_id"] = self.chance.choice(self.values.get(f"{level}_id", ["x_1"]))
            return
        for name, value in asked.items() if isinstance(asked, dict) else ():
            if name in self.values and self.chance.random() < 0.8:
                asked[name] = self.chance.choice(self.values[name])
            else:
                self.speak(value)


def test_the_engine_goes_on_whatever_it_is_told(tmp_path: Path) -> None:
    known, answers = Known(random.Random(7)), Counter[int]()
    with running_server(tmp_path / "data") as server:
        rail = Rail(server)
        for _ in range(3):
            body: dict[str, Any] = {}
            for level in LEVELS:
                more = {"job_type": "x"} if level == "job" else {}
                path = f"/api/neurorail/v1/identity/{level}"
                answer = rail.client.post_json(path, body | more)
                known.learn(answer)
                body[f"{level}_id"] = answer["entity_id"]
        described: Any = schemathesis.openapi.from_url(f"{server.api}/openapi.json")
        for found in described.include(method="POST", path_regex=WRITES).get_all_operations():
            operation = found.ok()
            send(operation, server.api, known, answers)
            until(f"it is ready after {operation.path}", partial(is_ready, server.api))
        assert not answers[500], answers
        assert answers[200] + answers[201] > REQUESTS, answers
        assert rail.metrics()["neurorail_engine_records_failed"] == 0
        rail.all_is_stored()
        assert rail.get("/audit/events", event_type="record_failed")["total"] == 0
        server.kill()
    with running_server(tmp_path / "data") as server:
        until("it is ready again", partial(is_ready, server.api))


def is_ready(api: str) -> bool:
    """Whether all parts of the server are up; none of them is when its engine has stopped."""
    try:
        return httpx2.get(f"{api}/ready", timeout=60).is_success
    except httpx2.TransportError:
        return False


def send(operation: Any, api: str, known: Known, answers: Counter[int]) -> None:
    """Some requests to an operation."""

    @seed(11)
    @settings(
        max_examples=REQUESTS, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def requests(case: Any) -> None:
        known.speak(case.path_parameters)
        known.speak(case.body)
        response = case.call(base_url=api)
        answers[response.status_code] += 1
        if response.status_code < 300:
            known.learn(response.json())

    requests()
