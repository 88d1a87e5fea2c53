"""What a change of the manifest means for what reflexes did and saw."""

from __future__ import annotations

from collections.abc import Sequence

from neurorail.rules import directives
from neurorail.rules.manifest.model import Manifest, Rule
from neurorail.rules.reflex import circuits, confirmations
from neurorail.rules.reflex.circuit import CIRCUITS
from neurorail.rules.reflex.confirmations import CONFIRMATIONS
from neurorail.rules.reflex.watch import forget_rules
from neurorail.rules.state import State


def manifest_changed(state: State, before: Manifest, after: Manifest) -> None:
    """Another manifest is active for the record's tenant.

    A reflex that is gone or changed starts anew: what it has seen is forgotten, what it stopped may
    go on. One that is the same goes on as it was. What a pool or budget that changed stopped may go
    on until its next usage.
    """
    gone = (
        _gone(before.reflexes, after.reflexes)
        | _gone(before.pools, after.pools)
        | _gone(before.budgets.defaults, after.budgets.defaults)
        | _gone(before.budgets.overrides, after.budgets.overrides)
    )
    if not gone:
        return
    reason = "the manifest changed"
    forget_rules(state, gone)
    tenant = state.tenant
    for _, circuit in list(state.kept.of(CIRCUITS, tenant)):
        if circuit.rule in gone:
            circuits.close_circuit(state, circuit, reason)
    for _, question in list(state.kept.of(CONFIRMATIONS, tenant)):
        if question.rule in gone:
            confirmations.forget(state, question, reason)
    for directive in directives.active(state):
        if directive.rule in gone:
            directives.lift(state, directive.id, reason)


def _gone(before: Sequence[Rule], after: Sequence[Rule]) -> frozenset[str]:
    """The ids of rules that are no more, or no more the same."""
    kept = {rule.id: rule for rule in after}
    return frozenset(rule.id for rule in before if kept.get(rule.id) != rule)
