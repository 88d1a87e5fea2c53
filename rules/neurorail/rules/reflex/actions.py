"""What a reflex does when it was triggered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from neurorail.rules import directives
from neurorail.rules.config import MS
from neurorail.rules.directives import CANCEL, THROTTLE, Directive, Scope, entity_scope, scope_text
from neurorail.rules.events import INFO, WARNING
from neurorail.rules.manifest import actions
from neurorail.rules.manifest.facts import Facts
from neurorail.rules.manifest.limits import ENFORCE, OBSERVE
from neurorail.rules.manifest.model import ReflexRule
from neurorail.rules.manifest.triggers import (
    TRIGGERS,
    BurnRate,
    FanOut,
    NoProgress,
    ViolationStorm,
)
from neurorail.rules.observations import Ids
from neurorail.rules.reflex import circuits, confirmations
from neurorail.rules.reflex.scope import scope_of
from neurorail.rules.reflex.step import Fired
from neurorail.rules.state import State

THROTTLED: Final = "NR-E010"
TRIGGER_NAMES: Final = MappingProxyType({kind: name for name, kind in TRIGGERS.items()})
_WITHOUT_ENDS: Final = (BurnRate, FanOut, NoProgress, ViolationStorm)
"""Triggers that look at no outcomes: time alone closes their breakers."""
ACTION_NAMES: Final = MappingProxyType({kind: name for name, kind in actions.ACTIONS.items()})


@dataclass(slots=True)
class Occasion:
    """What an action acts on."""

    state: State
    rule: ReflexRule
    facts: Facts
    ids: Ids
    fired: Fired
    scope: Scope

    @property
    def reason(self) -> str:
        """Why it acts."""
        return self.fired.reason


@dataclass(slots=True)
class Done:
    """What came of an action."""

    success: bool
    scope: Scope
    directive_id: str = ""
    why: str = ""
    """Why it did not succeed."""
    refusal: str | None = None
    """`unknown` or `full`, if it did not."""
    alert: dict[str, Any] | None = None


def triggered(state: State, rule: ReflexRule, facts: Facts, ids: Ids, fired: Fired) -> None:
    """Say that a reflex was triggered, and let it act as far as its severity allows."""
    state.count("triggers_activated")
    state.emit(
        "trigger_activated",
        ids,
        state.now,
        {
            "trigger_id": rule.id,
            "trigger": TRIGGER_NAMES[type(rule.trigger)],
            "key": {name: facts.get(name) for name in rule.per},
            "reason": fired.reason,
            "rule_severity": rule.severity,
            "evidence": fired.evidence,
        },
        f"{rule.id}: {fired.reason}",
        INFO if rule.severity == OBSERVE else WARNING,
    )
    if rule.severity == OBSERVE:
        return
    occasion = Occasion(state, rule, facts, ids, fired, scope_of(rule, facts))
    for action in rule.actions:
        if rule.severity == ENFORCE or isinstance(action, actions.Alert):
            _executed(occasion, action, _DO[type(action)](occasion, action))


def _executed(occasion: Occasion, action: actions.Action, done: Done) -> None:
    state = occasion.state
    name = ACTION_NAMES[type(action)]
    state.emit(
        "reflex_action_executed",
        occasion.ids,
        state.now,
        {
            "action_type": name,
            "rule": occasion.rule.id,
            "entity_type": occasion.facts.get("entity_type", ""),
            "scope": done.scope,
            "directive_id": done.directive_id or None,
            "reason": done.why or occasion.reason,
            "success": done.success,
            "refusal": done.refusal,
            "alert": done.alert,
        },
        f"{name}: {done.why or occasion.reason}",
        WARNING,
    )


def _suspend(occasion: Occasion, action: actions.Suspend) -> Done:
    rule, evidence = occasion.rule, occasion.fired.evidence
    failed = evidence.get("failures", 0)
    circuit = circuits.open_circuit(
        occasion.state,
        rule.id,
        occasion.scope,
        rule.breaker,
        occasion.reason,
        probed=not isinstance(rule.trigger, _WITHOUT_ENDS),
        ended=evidence.get("ends", failed),
        failed=failed,
    )
    if circuit is None:
        return Done(False, occasion.scope, why="there are too many circuits", refusal="full")
    return Done(True, occasion.scope, circuits.directive_id(circuit))


def _throttle(occasion: Occasion, action: actions.Throttle) -> Done:
    directive = _directive(occasion, THROTTLE, occasion.scope, THROTTLED, action.hold_ms)
    directive.rate = action
    known = directives.find(occasion.state, directive.id)
    if known is not None:
        directive.throttle = known.throttle
    directives.issue(occasion.state, directive, occasion.ids)
    return Done(True, occasion.scope, directive.id)


def _cancel(occasion: Occasion, action: actions.Cancel) -> Done:
    entity_id = occasion.facts.get(f"{action.level}_id")
    if entity_id is None:
        return Done(False, occasion.scope, why=f"no {action.level} is known", refusal="unknown")
    scope = entity_scope(action.level, str(entity_id))
    if not action.subtree:
        scope = {f"{action.level}_id": str(entity_id), "entity_type": action.level}
    directive = _directive(occasion, CANCEL, scope, circuits.COOLDOWN_CODE, action.hold_ms)
    directives.issue(occasion.state, directive, occasion.ids)
    return Done(True, scope, directive.id)


def _confirm(occasion: Occasion, action: actions.Confirm) -> Done:
    state, rule, scope = occasion.state, occasion.rule, occasion.scope
    said = confirmations.require(
        state,
        rule.id,
        scope,
        action.question or occasion.reason,
        action.within_ms,
        ids=occasion.ids,
        unanswered=confirmations.APPROVED if action.unanswered == "approve" else "denied",
        anew=True,
    )
    if said != confirmations.PENDING:
        return Done(False, scope, why="there are too many questions", refusal="full")
    return Done(True, scope, f"{directives.CONFIRM}:{rule.id}:{scope_text(scope)}")


def _alert(occasion: Occasion, action: actions.Alert) -> Done:
    alert = {
        "webhook": action.webhook,
        "severity": action.severity,
        "message": action.message,
    }
    return Done(True, occasion.scope, alert=alert)


def _directive(occasion: Occasion, action: str, scope: Scope, code: str, hold_ms: int) -> Directive:
    state, rule = occasion.state, occasion.rule
    return Directive(
        f"{action}:{rule.id}:{scope_text(scope)}",
        action,
        scope,
        code,
        occasion.reason,
        rule.id,
        state.now,
        state.now + hold_ms * MS,
    )


_DO: Final[dict[type[Any], Callable[[Occasion, Any], Done]]] = {
    actions.Suspend: _suspend,
    actions.Throttle: _throttle,
    actions.Cancel: _cancel,
    actions.Confirm: _confirm,
    actions.Alert: _alert,
}
"""What each action of a manifest does."""
