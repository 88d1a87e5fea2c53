"""Runs the agents and judges each: what was to happen against what did."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from neurorail.app.audit_check import verify_over_http
from neurorail.app.demo.agents.result import Result, read_result
from neurorail.app.demo.children import Child
from neurorail.app.demo.observed import Observed
from neurorail.app.demo.scenarios import SCENARIOS, Check, Scenario
from neurorail.app.demo.stage import Stage
from neurorail.app.demo.world import ServerWorld
from neurorail.app.location import running_server
from neurorail.client import Client, ClientError

PLAY_S: Final = 200.0
"""What has not happened after so long, also where much else is running, does not happen."""
STEP_S: Final = 0.2
LOOK_S: Final = 1.0
TROUBLE: Final = ("record_failed", "dead_letter", "items_rejected")
"""Events that report a fault of the server, or telemetry it could not read."""


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
        self.server_checks: list[Check] = []
        """What was to be true of the server at the end."""

    @property
    def done(self) -> bool:
        """Whether everything happened that was to happen."""
        checks = self.server_checks
        return (
            all(part.done for part in self.parts)
            and bool(checks)
            and all(check.ok for check in checks)
        )

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

    def judge_server(self) -> None:
        """See whether the server kept its records well."""
        said = self._observed.tally().by_type
        trouble = {name: said[name] for name in TROUBLE if said[name]}
        seen = ", ".join(f"{count} {name}" for name, count in trouble.items())
        self.server_checks = [
            Check("nothing failed inside", seen or "nothing failed inside", not trouble),
            self._audit_check(),
        ]

    def _audit_check(self) -> Check:
        expected = "the audit chain holds"
        server = running_server(self._stage.data_dir)
        if server is None:
            return Check(expected, "the server is gone", False)
        try:
            report = verify_over_http(server, {}, lambda checked, total: None)
        except ClientError as error:
            return Check(expected, str(error), False)
        if not report["ok"]:
            return Check(expected, "the audit chain does not hold", False)
        return Check(expected, f"it holds: {report['events']} archived events", True)

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
