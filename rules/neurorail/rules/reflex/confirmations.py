"""Questions to people: nothing that a question is about may begin until somebody approves.

A question is asked once for a rule and a scope. Its answer holds for a time; no answer within the
time given is an answer too, as the rule says.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Final

from neurorail.rules import directives
from neurorail.rules.config import DAY_NS, MS
from neurorail.rules.directives import CONFIRM, Directive, Scope, chain_of, scope_text
from neurorail.rules.events import INFO, WARNING
from neurorail.rules.kept import Kind, Row
from neurorail.rules.observations import Ids
from neurorail.rules.state import State

CODE: Final = "NR-E009"
PENDING: Final = "pending"
APPROVED: Final = "approved"
DENIED: Final = "denied"
ANSWERS: Final = (APPROVED, DENIED)
CONFIRMATIONS_MAX: Final = 1_000
"""Questions a tenant may have, answers that still hold included; a further one is not asked, and
what it is about is refused."""
ANSWER_HOLDS_NS: Final = DAY_NS
"""How long an answer holds."""


@dataclass(slots=True)
class Confirmation:
    """One question. Times are record times in nanoseconds."""

    id: str
    rule: str
    scope: Scope
    question: str
    asked: int
    until: int
    """By when it is to be answered; afterwards, how long the answer holds."""
    unanswered: str
    """`approved` or `denied`: what no answer means."""
    state: str = PENDING
    reason: str = ""
    """What the person said who answered."""

    @property
    def directive_id(self) -> str:
        """The directive that holds while there is no approval."""
        return f"{CONFIRM}:{self.rule}:{scope_text(self.scope)}"

    def deadline(self, state: State) -> int:
        """`until`, downtimes of the server added."""
        return self.until + state.shift_since(self.asked)


def _to_row(one: Confirmation) -> Row:
    return [getattr(one, column.name) for column in fields(Confirmation)]


def _from_row(row: Row) -> Confirmation:
    return Confirmation(*row)


def _fire(state: State, name: str, confirmation: Confirmation, at: int) -> None:
    deadline = confirmation.deadline(state)
    if deadline > at:
        state.kept.schedule(CONFIRMATIONS, state.tenant, name, deadline)
    elif confirmation.state == PENDING:
        _resolve(state, confirmation, confirmation.unanswered, "nobody answered in time", deadline)
    else:
        forget(state, confirmation, "the answer no longer holds")


CONFIRMATIONS: Final = Kind("confirmation", CONFIRMATIONS_MAX, _to_row, _from_row, fire=_fire)


def find(state: State, confirmation_id: str) -> Confirmation | None:
    """The question with this id, of the record's tenant."""
    for _, confirmation in state.kept.of(CONFIRMATIONS, state.tenant):
        if confirmation.id == confirmation_id:
            return confirmation
    return None


def require(
    state: State,
    rule: str,
    scope: Scope,
    question: str,
    within_ms: int,
    *,
    ids: Ids | None = None,
    unanswered: str = DENIED,
    anew: bool = False,
) -> str:
    """What people say about a rule and a scope; they are asked if nobody was.

    Args:
        state: the engine's state.
        rule: the rule that wants to know.
        scope: what may not begin meanwhile.
        question: what the person is asked.
        within_ms: time to answer in.
        ids: the chain that it is about, if one.
        unanswered: what no answer in time means.
        anew: ask again, whatever was answered before.

    Returns:
        `pending`, `approved` or `denied`; `denied` too when there are too many questions.
    """
    kept, tenant = state.kept, state.tenant
    name = f"{rule}:{scope_text(scope)}"
    known = kept.get(CONFIRMATIONS, tenant, name)
    if known is not None:
        if known.state == PENDING or not anew:
            return known.state
        forget(state, known, "the question is asked again")
    identity = sha256(f"{tenant}|{name}|{state.now}".encode()).hexdigest()[:24]
    until = state.now + within_ms * MS
    asked = Confirmation(f"c_{identity}", rule, scope, question, state.now, until, unanswered)
    if not kept.put(CONFIRMATIONS, tenant, name, asked):
        return DENIED
    kept.schedule(CONFIRMATIONS, tenant, name, until)
    state.emit(
        "confirmation_requested",
        ids or chain_of(state, scope),
        state.now,
        {
            "confirmation_id": asked.id,
            "rule": rule,
            "scope": scope,
            "question": question,
            "ttl_ms": within_ms,
            "unanswered": unanswered,
            "code": CODE,
        },
        f"a person has to confirm: {question or rule}",
        WARNING,
    )
    _directive(state, asked, f"waits for a person's confirmation: {question or rule}", ids)
    return PENDING


def answer(state: State, confirmation_id: str, said: str, reason: str) -> bool:
    """Somebody answered; False if there is no such question, or it was answered."""
    confirmation = find(state, confirmation_id)
    if confirmation is None or confirmation.state != PENDING:
        return False
    _resolve(state, confirmation, said, reason, state.now)
    return True


def _resolve(state: State, confirmation: Confirmation, said: str, reason: str, time: int) -> None:
    confirmation.state = said
    confirmation.reason = reason
    confirmation.asked = state.now
    confirmation.until = state.now + ANSWER_HOLDS_NS
    name = f"{confirmation.rule}:{scope_text(confirmation.scope)}"
    state.kept.changed(CONFIRMATIONS, state.tenant, name)
    state.kept.schedule(CONFIRMATIONS, state.tenant, name, confirmation.until)
    state.emit(
        "confirmation_resolved",
        chain_of(state, confirmation.scope),
        time,
        {
            "confirmation_id": confirmation.id,
            "rule": confirmation.rule,
            "scope": confirmation.scope,
            "answer": said,
            "reason": reason,
        },
        f"{said}: {confirmation.question or confirmation.rule}",
        INFO if said == APPROVED else WARNING,
    )
    if said == APPROVED:
        directives.lift(state, confirmation.directive_id, "approved")
    else:
        _directive(state, confirmation, f"denied: {reason or 'without a reason'}", None)


def _directive(state: State, confirmation: Confirmation, reason: str, ids: Ids | None) -> None:
    directives.issue(
        state,
        Directive(
            confirmation.directive_id,
            CONFIRM,
            confirmation.scope,
            CODE,
            reason,
            confirmation.rule,
            state.now,
        ),
        ids,
    )


def forget(state: State, confirmation: Confirmation, reason: str) -> None:
    """Take a question back, answered or not."""
    directives.lift(state, confirmation.directive_id, reason)
    name = f"{confirmation.rule}:{scope_text(confirmation.scope)}"
    state.kept.remove(CONFIRMATIONS, state.tenant, name)
