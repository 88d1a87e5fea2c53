"""The server side of the gate: asks `decide`, holds reservations, and settles them."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from neurorail.client import ClientError, Unreachable
from neurorail.instrumentation.errors import CONTROL_UNREACHABLE, NeuroRailRefused
from neurorail.instrumentation.gate import budgets
from neurorail.instrumentation.gate.connection import Connection
from neurorail.instrumentation.gate.directive import BUDGET_CODE
from neurorail.instrumentation.gate.modes import Modes
from neurorail.instrumentation.gate.reservation import Reservation
from neurorail.instrumentation.gate.settling import Settling
from neurorail.instrumentation.gate.status import OFF, GateStatus
from neurorail.instrumentation.ids import new_id
from neurorail.semconv.attributes import CHAIN_IDS

if TYPE_CHECKING:
    from neurorail.instrumentation.entity import Entity
    from neurorail.instrumentation.events import Events
    from neurorail.instrumentation.gate.announcing import Announcing
    from neurorail.instrumentation.gate.call import Call, Usage
    from neurorail.instrumentation.gate.config import GateConfig
    from neurorail.instrumentation.gate.following import Following

DECIDE: Final = "/api/governor/v1/decide"
DOWN_S: Final = 1.0
"""How long a server that did not answer is not asked again; twice as long each time …"""
DOWN_MAX_S: Final = 30.0
"""… but no longer than this, and not once its directives arrive."""
RETRY_AFTER_MS: Final = 1_000
JOB_TYPES: Final = {"inference": "llm_call", "embedding": "embedding", "tool": "tool_execution"}
"""The job type of a call that stands in no job."""
STATE_A_BOUND: Final = (
    "; state the most that the call uses: the request's limit on output, "
    "NEURORAIL_OUTPUT_TOKENS_MAX, or resource(…, budget=Budget(max_tokens=…))"
)
"""Of calls that state none: what is left might do for them."""
ID_FIELDS: Final = tuple(f"{name[10:-3]}_id" for name in CHAIN_IDS)
CONTEXT_FACTS: Final = frozenset(
    {"agent", "model", "provider", "tool", "resource_type", "operation", "plan_type"}
)


class Rail:
    """Speaks to one server for the gate of this process."""

    def __init__(self, config: GateConfig, events: Events, service: str) -> None:
        self.config = config
        self.modes = Modes()
        self.following: Following | None = None
        self.announcing: Announcing | None = None
        self.decisions = 0
        self.unreachable = 0
        """Times that the server was to be asked and could not be."""
        self._events = events
        self._service = service
        self.connection = Connection(config.endpoint, config.api_key, config.timeout_ms / 1_000)
        self.settling = Settling(self.connection)
        self._down_until = 0.0
        self._failures = 0
        self._lock = threading.Lock()

    # ── what the gate asks ───────────────────────────────────────────────────────────────────

    def may_ask(self, entity: Entity) -> bool:
        """Whether an attempt has to ask, or to wait for the first connection."""
        return self._must_connect(entity) or self._on_rail(entity.facts)

    def reserve_attempt(self, entity: Entity) -> Reservation | None:
        """Ask for an attempt."""
        self._connected_or_refused(entity)
        if not self._on_rail(entity.facts):
            return None
        return self._decide(entity, entity.facts, self._attempt_request(entity))

    def may_ask_call(self, call: Call) -> bool:
        """Whether a call has to ask, or to wait for the first connection."""
        return self._must_connect(call.entity) or self._on_rail(call.facts())

    def reserve_call(self, call: Call) -> Reservation | None:
        """Ask for a call; what is set aside comes out of its attempt's reservation first."""
        self._connected_or_refused(call.entity)
        facts = call.facts()
        if not self._on_rail(facts):
            return None
        return self._decide(call.entity, facts, self._call_request(call, facts))

    def is_on_rail(self, call: Call) -> bool:
        """Whether calls like this one ask, and the answer holds, as far as is known."""
        mode = self.config.mode
        return mode == "rail" or (mode == "auto" and self.modes.is_rail(call.facts()))

    def settle(self, call: Call, usage: Usage | None, *, failed: bool) -> None:
        """Report what a call used, or give back what was set aside for it.

        Where nobody knows (a timeout, a broken connection), nothing is said: the provider may have
        served it all the same, and the reservation holds until its lease is over.
        """
        if call.reservation is None:
            return
        if failed:
            self.settling.release(call.reservation.id)
        elif usage is not None and not usage.cached_tokens:
            # Cached tokens have prices of their own, which the span's usage will meet.
            self.settling.reconcile(call.reservation.id, _report(call, usage))

    def release(self, reservation: Reservation) -> None:
        """Give back what an attempt did not use."""
        self.settling.release(reservation.id)

    def begin_anew(self) -> None:
        """In a forked child: threads of its own, and a table of its own."""
        self._lock = threading.Lock()
        self.settling.begin_anew()
        if self.following is not None:
            self.following.begin_anew()
        if self.announcing is not None:
            self.announcing.begin_anew()

    def stop(self) -> None:
        """Report what waits, and end the threads."""
        if self.following is not None:
            self.following.stop()
        if self.announcing is not None:
            self.announcing.stop()
        self.settling.stop()
        self.connection.close()

    def status(self, directives: int, refusals: int) -> GateStatus:
        """What is going on."""
        following = self.following
        return GateStatus(
            following.state if following is not None else OFF,
            self.connection.endpoint,
            self.config.mode,
            self.config.fail_closed,
            directives,
            self.decisions,
            refusals,
            self.unreachable,
            self.settling.dropped,
        )

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _on_rail(self, facts: dict[str, str]) -> bool:
        mode = self.config.mode
        return mode == "rail" or (mode == "auto" and not self.modes.is_direct(facts))

    def _fails_closed(self, entity: Entity | None) -> bool:
        return self.config.fail_closed or budgets.fails_closed(entity)

    def _must_connect(self, entity: Entity | None) -> bool:
        following = self.following
        return following is not None and not following.connected and self._fails_closed(entity)

    def _connected_or_refused(self, entity: Entity | None) -> None:
        """Where nothing may be done unheard, wait for the connection that brings directives."""
        if self._must_connect(entity):
            following = self.following
            if following is None or not following.wait(self.config.timeout_ms / 1_000):
                raise self._refuse_unheard("the server's directives cannot be read")

    def _refuse_unheard(self, reason: str) -> NeuroRailRefused:
        return NeuroRailRefused(
            CONTROL_UNREACHABLE,
            reason,
            rule="fail_closed",
            scope=self.connection.endpoint,
            retry_after_ms=RETRY_AFTER_MS,
        )

    def _decide(
        self, entity: Entity | None, facts: dict[str, str], request: dict[str, Any]
    ) -> Reservation | None:
        if self._is_down():
            self._unheard(entity, "the server did not answer a moment ago")
            return None
        # What the server is to judge by, budgets above all, has to be there before the question.
        self._events.flush()
        try:
            answer = self.connection.post(DECIDE, request)
        except Unreachable as error:
            self._failures += 1
            wait_s = min(DOWN_S * 2.0 ** (self._failures - 1), DOWN_MAX_S)
            self._down_until = time.monotonic() + wait_s
            self._unheard(entity, str(error))
            return None
        except ClientError as error:
            # A server without a governor, or a key that may not ask: as if there were none.
            self._unheard(entity, str(error))
            return None
        self.decisions += 1
        self._failures = 0
        return self._answered(facts, answer, request["estimates"])

    def _is_down(self) -> bool:
        """Whether asking is pointless: it would hold up every call for as long as we may wait."""
        following = self.following
        if following is not None and following.connected:
            return False
        return time.monotonic() < self._down_until

    def _unheard(self, entity: Entity | None, reason: str) -> None:
        with self._lock:
            self.unreachable += 1
        if self._fails_closed(entity):
            raise self._refuse_unheard(reason)

    def _answered(
        self, facts: dict[str, str], answer: dict[str, Any], estimates: dict[str, Any]
    ) -> Reservation | None:
        mode = str(answer.get("mode", "rail"))
        self.modes.note(facts, mode)
        if not answer.get("allowed"):
            if self._is_metered_only(mode, answer):
                return None
            raise _refusal(answer, is_bounded="tokens" in estimates)
        given = answer.get("reservation")
        if not isinstance(given, dict):
            return None
        return Reservation(str(given["id"]), int(given.get("ttl_ms") or 0))

    def _is_metered_only(self, mode: str, answer: dict[str, Any]) -> bool:
        """Whether a refusal speaks of an upper bound alone, where usage is metered afterwards.

        Once a budget is really used up, a directive says so.
        """
        return mode == "direct" and self.config.mode == "auto" and answer.get("code") == BUDGET_CODE

    def _attempt_request(self, entity: Entity) -> dict[str, Any]:
        facts = entity.facts
        ids = {field: entity.ids[name] for field, name in _fields(entity.ids)}
        # An attempt uses nothing itself. It holds what its own budget says, for its calls to draw
        # from; without one they take what they need from above.
        limits = entity.budget.limits() if entity.budget is not None else {}
        estimates: dict[str, Any] = {
            "tokens": limits.get("max_tokens", 0),
            "cost_usd": str(limits.get("max_cost_usd", 0)),
            "tool_calls": limits.get("max_tool_calls", 0),
            "duration_ms": limits.get("timeout_ms", 0),
            "model_calls": 0,
        }
        return self._request(ids, facts, facts.get("job_type", "llm_call"), estimates)

    def _call_request(self, call: Call, facts: dict[str, str]) -> dict[str, Any]:
        ids = {field: call.ids[name] for field, name in _fields(call.ids)}
        # Time is bounded by the clock, not by what calls set aside of it.
        estimates: dict[str, Any] = {"duration_ms": 0}
        if call.is_tool:
            estimates.update(tokens=0, cost_usd=0, tool_calls=1, model_calls=0)
        else:
            bounds = call.bounds
            if bounds.input_tokens is not None:
                estimates["input_tokens"] = bounds.input_tokens
            if bounds.output_tokens is not None:
                estimates["output_tokens"] = bounds.output_tokens
            tokens = _own_limit(call) if bounds.tokens is None else bounds.tokens
            if tokens is not None:
                estimates["tokens"] = tokens
            estimates.update(tool_calls=0, model_calls=1)
        job_type = facts.get("job_type") or JOB_TYPES.get(call.operation, call.operation)
        request = self._request(ids, facts, job_type, estimates)
        parent = call.parent_reservation()
        if parent is not None:
            request["parent_reservation_id"] = parent.id
        return request

    def _request(
        self, ids: dict[str, str], facts: dict[str, str], job_type: str, estimates: dict[str, Any]
    ) -> dict[str, Any]:
        context = {name: facts[name] for name in CONTEXT_FACTS if name in facts}
        context["service"] = self._service
        context.update({name[4:]: facts[name] for name in facts if name.startswith("tag.")})
        return {
            **ids,
            "job_type": job_type,
            "context": context,
            "estimates": estimates,
            "idempotency_key": new_id(4)[2:],
        }


def _fields(ids: dict[str, str]) -> list[tuple[str, str]]:
    return [(field, name) for field, name in zip(ID_FIELDS, CHAIN_IDS, strict=True) if name in ids]


def _own_limit(call: Call) -> int | None:
    """What a resource that is a call itself may use, as its program says."""
    entity = call.entity
    if entity is None or entity.call is not call or entity.budget is None:
        return None
    return entity.budget.max_tokens


def _report(call: Call, usage: Usage) -> dict[str, Any]:
    used: dict[str, Any] = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "tokens": usage.tokens,
        "tool_calls": int(call.is_tool),
        "model_calls": int(not call.is_tool),
    }
    said: dict[str, Any] = {"usage": used}
    model = usage.response_model or call.model
    if usage.cost_usd is not None:
        used["cost_usd"] = usage.cost_usd
    elif model and not call.is_tool:
        said.update(model=model, provider=call.provider or "unknown")
    return said


def _refusal(answer: dict[str, Any], *, is_bounded: bool) -> NeuroRailRefused:
    reasons = answer.get("reasons") or [{}]
    first = reasons[0] if isinstance(reasons[0], dict) else {}
    matched = answer.get("matched_rules") or [""]
    reason = str(answer.get("reason") or "refused")
    if not is_bounded and first.get("left"):
        reason += STATE_A_BOUND
    return NeuroRailRefused(
        str(answer.get("code") or BUDGET_CODE),
        reason,
        rule=str(first.get("rule_id") or first.get("rule") or matched[0]),
        scope=str(first.get("scope") or answer.get("mission_id") or ""),
        retry_after_ms=answer.get("retry_after_ms"),
    )
