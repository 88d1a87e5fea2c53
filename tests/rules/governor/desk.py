"""A desk at which the governor is asked: two engines in step, one of which always restarts.

Every record goes to both; what they say must be the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.rules.scenario import BASE, SECOND, RestartingRunner, Runner, chain, span_id, trace_id

from neurorail.rules.config import EngineConfig
from neurorail.rules.events import Event
from neurorail.rules.governor.accounts import Account
from neurorail.rules.governor.scopes import scopes_of
from neurorail.rules.kept import Kind
from neurorail.rules.manifest.model import Manifest
from neurorail.rules.observations import (
    Budget,
    ConfirmationAnswered,
    DecideRequested,
    Fields,
    Heartbeat,
    Observation,
    OperatorActed,
    ReservationReported,
    Resumed,
    SpanObserved,
    TransitionReported,
    Usage,
)

LEVELS = "mpjar"
CENT = 10**10
"""Pico-USD."""

IDS = ("m_1", "p_1", "j_1", "a_1")


@contextmanager
def at_most(kind: Kind[Any], limit: int) -> Iterator[None]:
    """A kind of which a tenant may have only so many meanwhile."""
    before = kind.limit
    kind.limit = limit
    try:
        yield
    finally:
        kind.limit = before


class _Restarting(RestartingRunner):
    manifest: Manifest | None = None

    def _restart(self) -> None:
        super()._restart()
        _hold(self, self.manifest)


def _hold(runner: Runner, manifest: Manifest | None) -> None:
    if manifest is not None:
        runner.engine.state.manifests["default"] = manifest


class Desk:
    """Asks, reports and lets time pass. Times are seconds after a fixed moment."""

    def __init__(self, manifest: Manifest | None = None, **config: Any) -> None:
        self.plain = Runner(EngineConfig(**config))
        self.restarting = _Restarting(EngineConfig(**config))
        self.tenant = "default"
        self.now = 0.0
        self.events: list[Event] = []
        """Everything that was said so far."""
        self.hold(manifest)
        self._numbers = itertools.count(1)

    @property
    def state(self) -> Any:
        """The state of the engine that is not restarted."""
        return self.plain.engine.state

    def hold(self, manifest: Manifest | None) -> None:
        """Let a manifest hold from now on."""
        self.restarting.manifest = manifest
        for runner in (self.plain, self.restarting):
            _hold(runner, manifest)

    def send(self, *observations: Observation) -> list[Event]:
        """The events of one record, and of what was due before it."""
        at = BASE + round(self.now * 1_000) * 1_000_000
        said = [
            runner.send((at, self.tenant, lambda: list(observations)))
            for runner in (self.plain, self.restarting)
        ]
        assert said[0] == said[1]
        self.events += said[0]
        return said[0]

    def wait(self, seconds: float) -> list[Event]:
        """Time passes; what was due says so."""
        self.now += seconds
        at = BASE + round(self.now * 1_000) * 1_000_000
        said = [runner.run_until(at) for runner in (self.plain, self.restarting)]
        assert said[0] == said[1]
        self.events += said[0]
        return said[0]

    # ── what is sent ─────────────────────────────────────────────────────────────────────────

    def begin(self, *ids: str, budget: Budget | None = None, **fields: Any) -> None:
        """An entity is created and started."""
        level = len(ids) - 1
        at = BASE + round(self.now * 1_000) * 1_000_000
        told = Fields(budget=budget, **fields)
        self.send(
            *[
                TransitionReported(level, chain(ids), name, at, "log", fields=told)
                for name in ("create", "enqueue", "start")
            ]
        )

    def end(self, *ids: str, transition: str = "succeed") -> None:
        """An entity ends."""
        at = BASE + round(self.now * 1_000) * 1_000_000
        self.send(TransitionReported(len(ids) - 1, chain(ids), transition, at, "log"))

    def ask(
        self,
        *ids: str,
        job_type: str = "llm_call",
        parent: str | None = None,
        key: str | None = None,
        sha256: str = "",
        override: str | None = None,
        context: dict[str, Any] | None = None,
        **estimates: int,
    ) -> dict[str, Any]:
        """What is answered to a request; reservations are v1, v2, …"""
        number = next(self._numbers)
        events = self.send(
            DecideRequested(
                f"d{number}",
                f"v{number}",
                chain(ids),
                job_type,
                tuple(sorted((context or {}).items())),
                tuple(sorted(estimates.items())),
                parent,
                key,
                sha256,
                override,
            )
        )
        answers = [e for e in events if e.type in ("mode_decided", "decision_repeated")]
        if not answers:
            return {"conflict": [e.type for e in events]}
        (answer,) = answers
        return {**answer.data, "event": answer.type}

    def report(self, operation: str, reservation_id: str, **usage: int) -> list[Event]:
        """Somebody reconciles or releases."""
        return self.send(
            ReservationReported(operation, reservation_id, tuple(sorted(usage.items())))
        )

    def call(
        self,
        *ids: str,
        reservation: str | None = None,
        span: str | None = None,
        parent: str = "",
        ago: float = 0,
        usage: Usage | None = None,
        cost: int | None = None,
        tokens: int = 0,
        **more: Any,
    ) -> list[Event]:
        """A finished model call is reported by its span."""
        end = BASE + round((self.now - ago) * 1_000) * 1_000_000
        told = usage or Usage(
            "inference",
            provider="openai",
            model="gpt",
            input_tokens=tokens,
            cost_usd_pico=cost,
            has_tokens=True,
        )
        return self.send(
            SpanObserved(
                trace_id("t"),
                span_id(span or f"s{next(self._numbers)}"),
                span_id(parent),
                end - SECOND // 10,
                end,
                ids=chain(ids),
                role=more.pop("role", "inference"),
                usage=told,
                reservation_id=reservation,
                **more,
            )
        )

    def heartbeat(self, *ids: str) -> None:
        """An entity says that it is alive."""
        at = BASE + round(self.now * 1_000) * 1_000_000
        self.send(Heartbeat(len(ids) - 1, chain(ids), at))

    def operate(self, action: str, scope: dict[str, str | None], ttl_ms: int = 0) -> None:
        """A person does something by hand."""
        self.send(OperatorActed(action, scope, reason="by hand", ttl_ms=ttl_ms))

    def answer(self, confirmation_id: str, said: str) -> None:
        """A person answers a question."""
        self.send(ConfirmationAnswered(confirmation_id, said == "approved"))

    def resume(self, down_s: int) -> None:
        """The server was down; the time has passed already."""
        self.send(Resumed(down_s * SECOND))

    # ── what is in the books ─────────────────────────────────────────────────────────────────

    def books(self, *ids: str, **facts: Any) -> dict[str, tuple[int, int, int]]:
        """Cost consumed, reserved, unsettled of every scope, in cents (rounded down)."""
        state = self.state
        state.tenant = self.tenant
        found = {}
        for scope in scopes_of(state, state.manifest, chain(ids), facts):
            account = scope.account or Account()
            amounts = (scope.consumed[3], account.reserved[3], account.unsettled[3])
            name = scope.label.get("entity_id") or scope.label["pool"] + scope.label["key"]
            found[name] = tuple(amount // CENT for amount in amounts)
        return found  # type: ignore[return-value]

    def said(self, event_type: str) -> list[dict[str, Any]]:
        """The data of every event of a type so far."""
        return [event.data for event in self.events if event.type == event_type]
