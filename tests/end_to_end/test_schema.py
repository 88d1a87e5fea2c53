"""A whole server against its own description, along the links that the description has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import Flaky
from hypothesis.stateful import Bundle
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.stateful.state_machine import StepInput
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.stateful import transition
from tests.end_to_end.rail import config_file
from tests.support.process import ServerProcess, running_server
from typer.testing import CliRunner

from neurorail.api.links import LINKS
from neurorail.app import cli

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
ENDLESS = r"/(stream/events|control/stream)$"
CHAIN = r"/(identity|lifecycle|telemetry)/|/(decide|reservations/.*)$"
MISSION = "/api/neurorail/v1/identity/mission"
WALKS_A_SEED = 6


@dataclass(frozen=True)
class Described:
    """A running server, and who walks along its description."""

    server: ServerProcess
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"X-API-Key": self.key}

    def schema(self) -> Any:
        """The description. Only the links that it has count, none that are guessed."""
        config = SchemathesisConfig.from_dict(
            {"phases": {"stateful": {"inference": {"algorithms": []}}}}
        )
        url = f"{self.server.api}/openapi.json"
        return schemathesis.openapi.from_url(url, config=config).exclude(path_regex=ENDLESS)


@dataclass
class Walked:
    """What came of walks: how often each operation was answered how, and what was wrong."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def succeeded(self) -> set[str]:
        """The operations that were answered with success."""
        return {operation for operation, status in self.answers if status < 300}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    """A server of its own: what is sent here is no use to other tests."""
    folder: Path = tmp_path_factory.mktemp("described")
    made = CliRunner().invoke(
        cli.build(), ["keys", "create", "--admin", "--data-dir", str(folder / "data")]
    )
    config = config_file(folder, access={"requests_per_s": 1_000_000}, archive={"linger_ms": 20})
    with running_server(folder / "data", "--config", str(config)) as server:
        yield Described(server, made.stdout.strip())


def walk(described: Described, schema: Any, seeds: range, steps: int) -> Walked:
    """Walk along links, from missions that are created and from what needs nothing before it."""
    walked = Walked()
    machine = schema.as_state_machine()
    creation = schema[MISSION]["POST"].as_strategy(generation_mode=GenerationMode.POSITIVE)

    class Walk(machine):  # type: ignore[misc, valid-type]
        begin = transition(
            name="begin",
            target=Bundle("catch_all"),
            input=creation.map(StepInput.initial),
            precondition=lambda walk: getattr(walk, "begun", 0) < 2,
        )
        begun = 0

        def before_call(self, case: Any) -> None:
            self.begun += case.operation.label == f"POST {MISSION}"
            # What follows would not be found in another tenant.
            case.query.pop("tenant", None)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {
                "base_url": described.server.api, "headers": described.headers, "timeout": 60
            }  # fmt: skip

        def validate_response(self, response: Any, case: Any, **_: Any) -> None:
            walked.answers[case.operation.label, response.status_code] += 1
            try:
                case.validate_response(response, checks=CHECKS)
            except BaseException as failure:
                walked.wrong.append(f"{case.operation.label}: {failure!s:.2000}")

    for number in seeds:
        # The server remembers the walks before: that a walk differs from them is no failure.
        with suppress(Flaky):
            seed(number)(Walk).run(
                settings=settings(
                    max_examples=WALKS_A_SEED,
                    stateful_step_count=steps,
                    deadline=None,
                    database=None,
                    phases=(Phase.generate,),
                    suppress_health_check=list(HealthCheck),
                )
            )
    return walked


def test_every_link_is_described(described: Described) -> None:
    paths = described.schema().raw_schema["paths"]
    for link in LINKS:
        method, _, path = link.source.partition(" ")
        responses = paths[path][method.lower()]["responses"].values()
        assert any(link.name in response.get("links", {}) for response in responses), link


@pytest.mark.filterwarnings("default")
def test_the_chain_is_answered_as_described(described: Described) -> None:
    chain = described.schema().include(path_regex=CHAIN)
    walked = walk(described, chain, range(1), steps=20)
    assert walked.wrong == []
    assert len(walked.succeeded) >= 8, walked.answers


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.filterwarnings("default")
def test_whatever_follows_is_answered_as_described(described: Described) -> None:
    walked = walk(described, described.schema(), range(8), steps=40)
    assert walked.wrong == []
    assert len(walked.succeeded) >= 30, walked.answers
