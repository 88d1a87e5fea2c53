"""Runs the agents and judges each: what was to happen against what did."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from neurorail.app.demo.agents.result import Result, read_result
from neurorail.app.demo.children import Child
from neurorail.app.demo.observed import Observed
from neurorail.app.demo.scenarios import SCENARIOS, Check, Scenario
from neurorail.app.demo.stage import Stage
from neurorail.app.demo.world import ServerWorld
from neurorail.client import Client, ClientError

PLAY_S: Final = 50.0
"""What has not happened after so long does not happen."""
STEP_S: Final = 0.2
LOOK_S: Final = 1.0


@dataclass(slots=True)
class Part:
    """One agent in the run."""

    scenario: Scenario
    child: Child | None = None
    result: Result | None = None
    checks: list[Check] = field(default_factory=list)
    failure: str = ""

    @property
    def status(self) -> str:
        """`waiting`, `running`, `settling`, `as expected` or `failed`."""
        if self.failure:
            return "failed"
        if self.child is None:
            return "waiting"
        if self.result is None:
            return "running"
        return "as expected" if self.done else "settling"

    @property
    def done(self) -> bool:
        """Whether the agent is done and everything expected of it has happened."""
        return bool(self.checks) and all(check.ok for check in self.checks)


class Play:
    """Every agent of the demonstration. `run` returns when all is settled or the time is over."""

    def __init__(self, stage: Stage, client: Client, observed: Observed) -> None:
        self._stage = stage
        self._client = client
        self._observed = observed
        self.parts = [Part(scenario) for scenario in SCENARIOS]

    def run(self, on_step: Callable[[], None]) -> None:
        """Start the agents, and look again and again until everything has happened."""
        began = time.monotonic()
        looked = 0.0
        while not all(part.done or part.failure for part in self.parts):
            now = time.monotonic()
            if now - began > PLAY_S:
                return
            self._start_due(now - began)
            for part in self.parts:
                self._collect(part)
            if now - looked > LOOK_S:
                looked = now
                self._look()
            on_step()
            time.sleep(STEP_S)

    def _start_due(self, elapsed_s: float) -> None:
        for part in self.parts:
            if part.child is None and elapsed_s >= part.scenario.start_after_s:
                part.child = self._stage.start_agent(part.scenario)

    def _collect(self, part: Part) -> None:
        """Read what an agent that ended said."""
        child = part.child
        if child is None or part.result is not None or part.failure or child.status() is None:
            return
        line = child.line()
        if child.status() != 0:
            part.failure = f"the agent ended with status {child.status()}"
            return
        try:
            part.result = read_result(line)
        except ValueError as error:
            part.failure = str(error)

    def _look(self) -> None:
        world = ServerWorld(self._client, self._observed)
        for part in self.parts:
            if part.result is None or part.done:
                continue
            try:
                part.checks = list(part.scenario.check(part.result, world))
            except ClientError as error:
                part.checks = [Check("the server answers", str(error), False)]
