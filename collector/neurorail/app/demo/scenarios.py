"""Which agents run, and what is to happen to each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from neurorail.app.demo.agents.result import Result
from neurorail.app.show.format import counted, pico_usd, usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neurorail.client import StreamMessage

GRPC: Final = "grpc"
HTTP: Final = "http/protobuf"

ENGINE: Final = {
    "lateness_ms": 1_500,
    "orphan_grace_ms": 3_000,
    "clock_skew_ms": 1_000,
}
"""Shorter times than in earnest, so that nobody has to wait."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was to happen, and what did."""

    expected: str
    happened: str
    ok: bool


class World(Protocol):
    """What a check may look at."""

    def entity(self, entity_id: str) -> dict[str, Any] | None:
        """An entity as the API shows it, with `descendants`; None when it is unknown."""
        ...

    def about(self, entity_id: str, event_type: str) -> Sequence[StreamMessage]:
        """Events of a type about an entity."""
        ...


@dataclass(frozen=True, slots=True)
class Scenario:
    """One agent process."""

    name: str
    story: str
    module: str
    protocol: str
    start_after_s: float
    check: Callable[[Result, World], Iterator[Check]]


def _state(world: World, entity_id: str, what: str, expected: str) -> Check:
    entity = world.entity(entity_id)
    state = str((entity or {}).get("state") or "unknown")
    return Check(f"{what} {expected}", f"{what} {state}", state == expected)


def _metered(numbers: tuple[int, ...], money: str) -> str:
    input_tokens, output_tokens, tool_calls = numbers
    tools = counted(tool_calls, "tool")
    return f"{input_tokens} + {output_tokens} tokens, {tools}, {money}"


def _meter(result: Result, world: World) -> Iterator[Check]:
    """Every token the model server counted is counted, once."""
    for used in result.missions:
        totals = (world.entity(used.mission_id) or {}).get("totals") or {}
        expected = (used.input_tokens, used.output_tokens, used.tool_calls)
        metered = tuple(
            totals.get(name, 0) for name in ("input_tokens", "output_tokens", "tool_calls")
        )
        priced = bool(totals.get("cost_usd")) and not totals.get("unpriced_calls")
        money = usd(pico_usd(totals.get("cost_usd"))) if priced else "unpriced"
        yield Check(
            _metered(expected, "priced"),
            _metered(metered, money),
            metered == expected and priced,
        )


def _event(
    world: World, entity_id: str, event_type: str, wanted: dict[str, object], times: int = 1
) -> Check:
    found = [
        event.data
        for event in world.about(entity_id, event_type)
        if all(event.data.get(name) == value for name, value in wanted.items())
    ]
    details = " ".join(str(value) for value in wanted.values())
    said = f"{event_type} {details}".rstrip()
    count = f" ×{times}" if times > 1 else ""
    seen = f"×{len(found)}" if times > 1 and found else ""
    return Check(
        f"{said}{count}",
        f"{said} {seen}".rstrip() if found else "nothing was said",
        len(found) == times,
    )


def check_crew(result: Result, world: World) -> Iterator[Check]:
    """Both missions succeed and are metered exactly."""
    for used in result.missions:
        yield _state(world, used.mission_id, "mission", "succeeded")
    yield from _meter(result, world)


def check_retrying(result: Result, world: World) -> Iterator[Check]:
    """Two attempts fail, the third succeeds, and so does the job."""
    yield _state(world, result.job_id, "job", "succeeded")
    below = (world.entity(result.job_id) or {}).get("descendants") or []
    attempts = [
        (entity.get("attempt_number"), entity.get("state"), entity.get("error_code"))
        for entity in below
        if entity.get("entity_type") == "attempt"
    ]
    expected = [(1, "failed", "NR-E004"), (2, "failed", "NR-E004"), (3, "succeeded", None)]
    seen = ", ".join(str(state) for _, state, _ in sorted(attempts, key=str))
    yield Check("attempts failed, failed, succeeded", f"attempts {seen}", sorted(
        attempts, key=str
    ) == expected)  # fmt: skip
    yield _event(world, result.job_id, "retry_attempted", {}, times=2)
    yield from _meter(result, world)


def check_zombie(result: Result, world: World) -> Iterator[Check]:
    """The second start is illegal and changes nothing."""
    wanted: dict[str, object] = {"transition": "start", "code": "NR-E301"}
    yield _event(world, result.job_id, "transition_rejected", wanted)
    yield _state(world, result.job_id, "job", "succeeded")
    yield from _meter(result, world)


def check_runaway(result: Result, world: World) -> Iterator[Check]:
    """A warning, a violation of the token budget, and no call after it."""
    yield _event(world, result.job_id, "budget_warning", {"violation_type": "tokens"})
    wanted: dict[str, object] = {"violation_type": "tokens", "code": "NR-E002"}
    yield _event(world, result.job_id, "budget_violation", wanted)
    yield _state(world, result.job_id, "job", "failed")
    yield from _meter(result, world)


def check_overtime(result: Result, world: World) -> Iterator[Check]:
    """The job is over time while it runs, and stays so although it finishes."""
    yield _event(world, result.job_id, "timeout_enforced", {"code": "NR-E001"})
    yield _state(world, result.job_id, "job", "timeout")
    yield from _meter(result, world)


def check_orphan(result: Result, world: World) -> Iterator[Check]:
    """The job is flagged after the grace."""
    yield _event(world, result.job_id, "orphan_detected", {"code": "NR-E007"})
    flags = (world.entity(result.job_id) or {}).get("flags") or []
    yield Check("flag orphan", f"flags {', '.join(flags) or 'none'}", "orphan" in flags)


def check_plain(result: Result, world: World) -> Iterator[Check]:
    """The trace became a mission with everything it used."""
    mission = world.entity(result.missions[0].mission_id)
    jobs = [
        entity
        for entity in (mission or {}).get("descendants") or []
        if entity.get("entity_type") == "job"
    ]
    yield Check("a chain from the trace", f"jobs in it: {len(jobs)}", bool(jobs))
    yield from _meter(result, world)


def _agent(
    name: str,
    module: str,
    protocol: str,
    start_after_s: float,
    check: Callable[[Result, World], Iterator[Check]],
    story: str,
) -> Scenario:
    return Scenario(
        name, story, f"neurorail.app.demo.agents.{module}", protocol, start_after_s, check
    )


SCENARIOS: Final = (
    _agent("overtime", "overtime", GRPC, 0.0, check_overtime, "runs past its timeout"),
    _agent("crew-a", "research_crew", GRPC, 0.0, check_crew, "two healthy missions"),
    _agent("retrying", "retrying", HTTP, 1.0, check_retrying, "the provider fails twice"),
    _agent("orphan", "orphan", GRPC, 1.5, check_orphan, "a job without a plan"),
    _agent("zombie", "zombie", HTTP, 2.0, check_zombie, "starts a finished job again"),
    _agent("runaway", "runaway", GRPC, 2.5, check_runaway, "loops until its budget stops it"),
    _agent("plain", "plain", HTTP, 3.0, check_plain, "knows nothing of NeuroRail"),
    _agent("crew-b", "research_crew", HTTP, 4.0, check_crew, "two more, over HTTP"),
)
