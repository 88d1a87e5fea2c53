"""What people do by hand: open and close breakers, suspend and resume, kill and release.

Who did it stands on the event, as its principal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from neurorail.rules import directives
from neurorail.rules.config import MS
from neurorail.rules.directives import KILL, SUSPEND, Directive, Scope, chain_of, scope_text
from neurorail.rules.entity import SUSPENDED
from neurorail.rules.events import INFO, WARNING
from neurorail.rules.manifest.actions import Breaker as Settings
from neurorail.rules.observations import ConfirmationAnswered, OperatorActed
from neurorail.rules.once import is_repeated
from neurorail.rules.reflex import circuits, confirmations
from neurorail.rules.reflex.circuit import circuit_named
from neurorail.rules.state import State

KILLED_CODE: Final = "NR-E008"
UNKNOWN: Final = "unknown"
CONFLICT: Final = "conflict"
FULL: Final = "full"
OPERATOR_ACTIONS: Final = ("open", "close", "suspend", "resume", "kill", "release")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something was not done: `unknown`, `conflict` or `full`, and in words."""

    kind: str
    why: str


def acted(state: State, seen: OperatorActed) -> None:
    """Do what an operator asks, and say what came of it; once for an idempotency key."""
    if seen.once is not None and is_repeated(state, seen.once, None):
        return
    refused = _DO[seen.action](state, seen)
    reason = seen.reason if refused is None else refused.why
    state.emit(
        "reflex_action_executed",
        chain_of(state, seen.scope),
        state.now,
        {
            "action_type": seen.action,
            "rule": "",
            "entity_type": seen.scope.get("entity_type") or "",
            "scope": seen.scope,
            "directive_id": seen.target or None,
            "reason": reason,
            "success": refused is None,
            "refusal": None if refused is None else refused.kind,
            "alert": None,
        },
        f"{seen.action} by hand: {reason}",
        INFO if seen.action in ("close", "resume", "release") else WARNING,
    )


def _open(state: State, seen: OperatorActed) -> Refusal | None:
    known = circuit_named(state, seen.target)
    if seen.target and known is None:
        return Refusal(UNKNOWN, f"no circuit {seen.target} is known")
    rule, scope = (known.rule, known.scope) if known is not None else ("", seen.scope)
    settings = known.settings if known is not None else Settings()
    probed = known is None or known.probed
    opened = circuits.open_circuit(
        state, rule, scope, settings, _said(seen), hold=True, probed=probed
    )
    return Refusal(FULL, "there are too many circuits") if opened is None else None


def _close(state: State, seen: OperatorActed) -> Refusal | None:
    name = seen.target or circuits.circuit_id("", seen.scope)
    circuit = circuit_named(state, name)
    if circuit is None:
        return Refusal(UNKNOWN, f"no circuit {name} is known")
    if not circuits.close_circuit(state, circuit, _said(seen)):
        return Refusal(CONFLICT, f"{name} is closed")
    return None


def _suspend(state: State, seen: OperatorActed) -> Refusal | None:
    _issue(state, seen, SUSPEND, circuits.COOLDOWN_CODE)
    _flag(state, seen.scope, True)
    return None


def _kill(state: State, seen: OperatorActed) -> Refusal | None:
    if _issue(state, seen, KILL, KILLED_CODE):
        return None
    return Refusal(FULL, "there are too many kill switches, release some")


def _resume(state: State, seen: OperatorActed) -> Refusal | None:
    return _lift(state, seen, SUSPEND)


def _release(state: State, seen: OperatorActed) -> Refusal | None:
    return _lift(state, seen, KILL)


def _lift(state: State, seen: OperatorActed, action: str) -> Refusal | None:
    name = seen.target or _directive_id(action, seen.scope)
    directive = directives.find(state, name)
    if directive is None:
        return Refusal(UNKNOWN, f"no directive {name} holds")
    if (directive.action == KILL) != (action == KILL):
        why = f"{name} is a {directive.action}: it is not lifted by {seen.action}"
        return Refusal(CONFLICT, why)
    if directive.circuit:
        why = f"{name} belongs to circuit {directive.circuit}: close that"
        return Refusal(CONFLICT, why)
    directives.lift(state, name, _said(seen))
    _flag(state, directive.scope, False)
    return None


def _issue(state: State, seen: OperatorActed, action: str, code: str) -> bool:
    expires = state.now + seen.ttl_ms * MS if seen.ttl_ms else 0
    name = _directive_id(action, seen.scope)
    return directives.issue(
        state, Directive(name, action, seen.scope, code, _said(seen), "", state.now, expires)
    )


def _directive_id(action: str, scope: Scope) -> str:
    return f"{action}:by hand:{scope_text(scope)}"


def _said(seen: OperatorActed) -> str:
    return seen.reason or "by hand"


def _flag(state: State, scope: Scope, suspended: bool) -> None:
    """Show on an entity itself that it is suspended."""
    entity_id = scope.get("entity_id")
    entity = state.entity(entity_id) if entity_id else None
    if entity is None:
        return
    entity.flags = entity.flags | SUSPENDED if suspended else entity.flags & ~SUSPENDED
    state.touch(entity)


_DO: Final[dict[str, Callable[[State, OperatorActed], Refusal | None]]] = {
    "open": _open,
    "close": _close,
    "suspend": _suspend,
    "resume": _resume,
    "kill": _kill,
    "release": _release,
}


def answered(state: State, seen: ConfirmationAnswered) -> None:
    """A person answered a question; nothing happens if it is not open any more."""
    if seen.once is not None and is_repeated(state, seen.once, None):
        return
    said = confirmations.APPROVED if seen.approved else confirmations.DENIED
    if not confirmations.answer(state, seen.confirmation_id, said, seen.reason):
        state.count("confirmations_not_open")
