"""Decide: may this be done, and what is set aside for it.

All rules are asked and the strictest wins: directives, the state of the chain, the manifest's mode
rules, then every budget and pool that the request touches. What is granted is set aside on all of
them at once, so that no grant ever takes what is consumed, reserved and unsettled above a limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from neurorail.rules import chain, directives
from neurorail.rules.entity import LEVEL_NAMES
from neurorail.rules.events import INFO, WARNING
from neurorail.rules.governor import decided, idempotency, reservations
from neurorail.rules.governor.amounts import (
    COST_USD_PICO,
    INPUT_TOKENS,
    MODELS,
    NAMES,
    OUTPUT_TOKENS,
    PARALLEL,
    RETRIES,
    TOKENS,
    TOOLS,
    WALL_TIME,
    Amounts,
    given,
    named,
)
from neurorail.rules.governor.idempotency import ANSWERS, Answer
from neurorail.rules.governor.limits import fill_estimates, line, remaining, shortfalls
from neurorail.rules.governor.reasons import SOON_MS, Reason, ordered, retry_after_ms
from neurorail.rules.governor.reservation_row import Reservation
from neurorail.rules.governor.scopes import Scope, places, scopes_of
from neurorail.rules.manifest import shadow
from neurorail.rules.manifest.facts import Facts, request_facts
from neurorail.rules.manifest.limits import ENFORCE, KINDS, OBSERVE
from neurorail.rules.manifest.limits import WARN as WARNS
from neurorail.rules.manifest.model import (
    ALLOW,
    CONFIRM,
    MANUAL_CONFIRM,
    RECOVERIES,
    REFUSE,
    ROLLBACK_REQUIRED,
    WARN,
    Manifest,
    ModeRule,
)
from neurorail.rules.observations import (
    ATTEMPT,
    JOB,
    MISSION,
    PLAN,
    RESOURCE,
    DecideRequested,
    Ids,
    Usage,
)
from neurorail.rules.priced import most_usd_pico
from neurorail.rules.reflex import confirmations
from neurorail.rules.state import State

TOO_MANY: Final = "reservations"
"""Rule id of the built-in limit on open reservations."""
CONFIRMATION: Final = "NR-E009"
REFUSED: Final = "NR-E200"
"""Code of a mode rule that refuses and names none of its own."""


@dataclass(slots=True)
class _Case:
    """One request on its way to an answer."""

    seen: DecideRequested
    policy: Manifest
    ids: Ids
    facts: Facts
    scopes: list[Scope]
    asked: Amounts
    estimated: list[int]
    """Places that the request left open and that were filled in."""
    assumed: list[int] = field(default_factory=list)
    """Places that hold the manifest's estimate, because the request states none."""
    reasons: list[Reason] = field(default_factory=list)
    matched: dict[str, None] = field(default_factory=dict)


def decide(state: State, seen: DecideRequested) -> None:
    """Answer a request, by the event `mode_decided`."""
    if seen.idempotency_key is not None and _repeated(state, seen):
        return
    case = _case(state, seen)
    parent = reservations.draw_from(state, seen.parent_reservation_id, case.scopes)
    mode, recovery = _mode(state, case)
    case.reasons += _directives_refuse(state, case)
    case.reasons += _chain_refuses(state, case.ids)
    _fill(state, case)
    case.reasons += shortfalls(case.scopes, case.asked, state.now, case.assumed)
    case.reasons += _unpriced(state, case)
    reservation = None
    if seen.override_reason is not None or not any(one.refuses for one in case.reasons):
        reservation = _grant(state, case, parent)
    _answer(state, case, mode, recovery, reservation)
    if state.shadows:
        asked = dict(zip(KINDS, case.asked, strict=True))
        shadow.compare(state, case.facts, case.ids, asked, reservation)


def _case(state: State, seen: DecideRequested) -> _Case:
    policy = state.manifest
    deepest = max((at for at, own in enumerate(seen.ids) if own is not None), default=0)
    ids = chain.complete(state, None, b"", seen.ids, deepest)
    estimates = dict(seen.estimates)
    facts = request_facts(state, ids, seen.job_type, dict(seen.context), estimates)
    scopes = scopes_of(state, policy, ids, facts)
    return _Case(seen, policy, ids, facts, scopes, given(estimates), [])


# ── what there is against it ─────────────────────────────────────────────────────────────────


def _chain_refuses(state: State, ids: Ids) -> list[Reason]:
    """Nothing begins under what has ended."""
    found = []
    for level, entity_id in enumerate(ids):
        entity = state.entity(entity_id) if entity_id is not None else None
        if entity is None:
            continue
        if _apart(entity.ids[:level], ids[:level]):
            message = f"{LEVEL_NAMES[level]} {entity_id} belongs to another chain"
            found.append(Reason("chain", "NR-E304", ENFORCE, message))
        if entity.terminal:
            message = f"{LEVEL_NAMES[level]} {entity_id} is already {entity.state}"
            found.append(Reason("lifecycle", "NR-E301", ENFORCE, message))
    return found


def _apart(one: Sequence[str | None], other: Sequence[str | None]) -> bool:
    """Whether two chains contradict each other."""
    return any(a and b and a != b for a, b in zip(one, other, strict=True))


def _directives_refuse(state: State, case: _Case) -> list[Reason]:
    """What is suspended, throttled, cancelled or killed; budgets are looked at themselves."""
    asked = {reason.rule_id for reason in case.reasons if reason.code == CONFIRMATION}
    found = []
    for one in directives.blocking(state, case.facts, reserved=True):
        if one.action == directives.CONFIRM and one.rule in asked:
            continue  # Its rule has been heard.
        rule_id = one.rule or one.directive_id
        evidence = {"directive_id": one.directive_id, "action": one.action, "scope": one.scope}
        found.append(Reason(rule_id, one.code, ENFORCE, one.reason, one.retry_after_ms, evidence))
    return found


def _mode(state: State, case: _Case) -> tuple[str, str]:
    """The strictest mode and recovery of all mode rules that match; their effects as reasons."""
    policy = case.policy
    strict, recoveries = [], []
    for rule in policy.modes_of.matching(case.facts):
        case.matched[rule.id] = None
        if rule.severity == OBSERVE:
            continue
        strict.append(rule)
        if rule.recovery is not None:
            recoveries.append(rule.recovery)
        reason = _effect(state, case, rule)
        if reason is not None:
            case.reasons.append(reason)
    mode = policy.strictest_mode(strict)
    return mode, max(recoveries, key=RECOVERIES.index, default=policy.default_recovery)


def _effect(state: State, case: _Case, rule: ModeRule) -> Reason | None:
    """What a matching rule has against a request, if anything."""
    if rule.effect == ALLOW:
        return None
    message = rule.reason or f"rule {rule.id} says {rule.effect}"
    if rule.severity != ENFORCE or rule.effect == WARN:
        return Reason(rule.id, "", WARNS, message)
    if rule.effect == CONFIRM:
        return _confirmation(state, case, rule, message)
    return Reason(rule.id, rule.code or REFUSED, ENFORCE, message)


def _confirmation(state: State, case: _Case, rule: ModeRule, message: str) -> Reason | None:
    """A person has to approve of the job, or of the nearest level above it that is named."""
    scope: directives.Scope = {"job_type": case.seen.job_type}
    for level in (JOB, PLAN, MISSION):
        entity_id = case.ids[level]
        if entity_id is not None:
            scope = directives.entity_scope(LEVEL_NAMES[level], entity_id)
            break
    said = confirmations.require(
        state, rule.id, scope, message, rule.confirm_within_ms, ids=case.ids
    )
    if said == confirmations.APPROVED:
        return None
    evidence = {"confirmation": said, "scope": scope}
    return Reason(rule.id, CONFIRMATION, ENFORCE, message, None, evidence)


# ── what is asked for ────────────────────────────────────────────────────────────────────────


def _fill(state: State, case: _Case) -> None:
    """Complete the amounts: the manifest's estimate for what is not stated, else all there is."""
    stated = {name for name, _ in case.seen.estimates}
    asked = case.asked
    known = {NAMES.index(name) for name in stated if name in NAMES}
    if "duration_ms" in stated:
        known.add(WALL_TIME)
    if stated & {"input_tokens", "output_tokens"}:
        known.add(TOKENS)
    if COST_USD_PICO not in known and {"input_tokens", "output_tokens"} <= stated:
        cost = _most(state, case)
        if cost is not None:
            asked[COST_USD_PICO] = cost
            known.add(COST_USD_PICO)
    estimate = case.policy.estimates.for_job_type(case.seen.job_type)
    for place, amount in (
        (TOKENS, estimate.tokens),
        (COST_USD_PICO, estimate.cost_usd_pico),
        (TOOLS, estimate.tool_calls),
        (WALL_TIME, estimate.duration_ms),
    ):
        if place not in known and amount is not None:
            asked[place] = amount
            known.add(place)
            case.assumed.append(place)
    if TOKENS in known:
        for place in (INPUT_TOKENS, OUTPUT_TOKENS):  # Each may be all of the tokens.
            if place not in known:
                asked[place] = asked[TOKENS]
                known.add(place)
                case.assumed += [place] if TOKENS in case.assumed else []
    if MODELS not in known:
        asked[MODELS] = 0 if case.seen.job_type == "tool_execution" else 1
        known.add(MODELS)
    case.estimated = fill_estimates(asked, frozenset(known), case.scopes)
    _fill_attempt(case)


def _most(state: State, case: _Case) -> int | None:
    """What the stated tokens of the stated model cost at most; None where nothing prices it."""
    model = case.facts.get("model")
    provider = case.facts.get("provider")
    usage = Usage(
        "inference",
        None if provider is None else str(provider),
        None if model is None else str(model),
        input_tokens=case.asked[INPUT_TOKENS],
        output_tokens=case.asked[OUTPUT_TOKENS],
        has_tokens=True,
    )
    return most_usd_pico(state, usage, state.now)


def _unpriced(state: State, case: _Case) -> list[Reason]:
    """A model without a price cannot be held to a limit on cost: warn of it, or refuse it."""
    model = case.facts.get("model")
    is_limited = any(
        limit.kind == "cost" and limit.severity == ENFORCE
        for scope in case.scopes
        for limit in scope.limits
    )
    if model is None or not is_limited or _most(state, case) is not None:
        return []
    refuse = case.policy.policies.unpriced == REFUSE
    message = f"model {model} has no price, and cost is limited"
    if refuse:
        return [Reason("unpriced", "NR-E002", ENFORCE, message)]
    return [Reason("unpriced", "", WARNS, message)]


def _fill_attempt(case: _Case) -> None:
    """An attempt that has not begun takes a place of its own, and is a retry after the first."""
    if case.ids[ATTEMPT] is None or case.ids[RESOURCE] is not None:
        return
    by_id = {scope.entity_id: scope for scope in case.scopes}
    attempt = by_id[case.ids[ATTEMPT]]
    if attempt.started or (attempt.account is not None and attempt.account.live):
        return
    case.asked[PARALLEL] = 1
    job = by_id.get(case.ids[JOB])
    if job is not None and job.attempts:
        case.asked[RETRIES] = 1


# ── granting ─────────────────────────────────────────────────────────────────────────────────


def _grant(state: State, case: _Case, parent: Reservation | None) -> Reservation | None:
    times = case.policy.times
    one = Reservation(case.seen.reservation_id, case.ids)
    one.principal = case.seen.principal
    one.granted_at = state.now
    one.lease_ms, one.settle_ms = times.lease_ms, times.settle_ms
    one.reserved = list(case.asked)
    if reservations.reserve(state, one, case.scopes, parent):
        directives.passed(state, case.facts, one.id)
        return one
    message = "too many reservations or pools are open: settle or release some"
    case.reasons.append(Reason(TOO_MANY, "NR-E010", ENFORCE, message, SOON_MS))
    return None


# ── answering ────────────────────────────────────────────────────────────────────────────────


def _answer(
    state: State, case: _Case, mode: str, recovery: str, reservation: Reservation | None
) -> None:
    seen = case.seen
    reasons = ordered(case.reasons)
    refusals = [one for one in reasons if one.refuses]
    allowed = reservation is not None
    wait = None if allowed else retry_after_ms(refusals)
    code = None if allowed else refusals[0].code
    for one in reasons:
        case.matched[one.rule_id] = None
    data: dict[str, Any] = {
        "decision_id": seen.decision_id,
        "mode": mode,
        "allowed": allowed,
        "code": code,
        "reason": _reason_text(case, reasons, allowed),
        "reasons": [one.data() for one in reasons],
        "matched_rules": list(case.matched),
        "recovery_strategy": _recovery(recovery, code, wait, allowed),
        "retry_after_ms": wait,
        "reservation_id": reservation.id if reservation is not None else None,
        "ttl_ms": reservations.ttl_ms(state, reservation) if reservation is not None else None,
        "reserved": named(case.asked) if allowed else {},
        "estimated": [NAMES[place] for place in case.estimated],
        "remaining": remaining(case.scopes),
        "budgets": [
            line(scope, place, limit) for scope in case.scopes for place, limit in places(scope)
        ],
        "job_type": seen.job_type,
        "manifest_version": case.policy.version,
        "override": seen.override_reason,
    }
    _tell(state, case, data)
    if seen.idempotency_key is not None:
        until = 0 if wait is None else state.now + wait * 1_000_000
        answer = Answer(seen.request_sha256, until, data)
        state.kept.put(ANSWERS, state.tenant, _answer_name(seen), answer)


def _reason_text(case: _Case, reasons: list[Reason], allowed: bool) -> str:
    if reasons and (not allowed or case.seen.override_reason is None):
        return reasons[0].message
    if case.seen.override_reason is not None and reasons:
        return f"allowed by override: {case.seen.override_reason}"
    if case.matched:
        return f"rule {next(iter(case.matched))} matches"
    return "no rule matches: the manifest's default holds"


def _recovery(base: str, code: str | None, wait: int | None, allowed: bool) -> str:
    """What is to be done: never `retry` where trying again cannot help."""
    if allowed or wait is not None:
        return base
    least = MANUAL_CONFIRM if code == CONFIRMATION else ROLLBACK_REQUIRED
    return max(base, least, key=RECOVERIES.index)


def _tell(state: State, case: _Case, data: dict[str, Any]) -> None:
    allowed = data["allowed"]
    state.emit(
        "mode_decided",
        case.ids,
        state.now,
        data,
        data["reason"],
        INFO if allowed else WARNING,
    )
    state.count("decisions")
    decided.note(
        state,
        {
            "decision_id": data["decision_id"],
            "timestamp_unix_nano": state.now,
            "mode": data["mode"],
            "allowed": allowed,
            "code": data["code"],
            "reason": data["reason"],
            "job_type": data["job_type"],
            "mission_id": case.ids[0],
        },
    )
    if case.seen.override_reason is not None:
        state.emit(
            "override_used",
            case.ids,
            state.now,
            {"decision_id": data["decision_id"], "reason": case.seen.override_reason},
            f"a request was granted outside the rules: {case.seen.override_reason}",
            WARNING,
        )


# ── asked twice ──────────────────────────────────────────────────────────────────────────────


def _answer_name(seen: DecideRequested) -> str:
    return f"decide {seen.idempotency_key}"


def _repeated(state: State, seen: DecideRequested) -> bool:
    """Answer what was asked before as before; whether it was."""
    answer = state.kept.get(ANSWERS, state.tenant, _answer_name(seen))
    if answer is None:
        return False
    if answer.request_sha256 != seen.request_sha256:
        data = {"decision_id": seen.decision_id, "idempotency_key": seen.idempotency_key}
        message = "an idempotency key was used again for another request"
        state.emit("idempotency_conflict", seen.ids, state.now, data, message, WARNING)
        return True
    if not idempotency.holds(state, answer):
        return False
    reservation_id = answer.data["reservation_id"]
    ttl = answer.data["ttl_ms"]
    if reservation_id is not None:
        one = state.kept.get(reservations.OPEN, state.tenant, reservation_id)
        assert one is not None, "the answer holds"
        ttl = reservations.ttl_ms(state, one)
    data = {**answer.data, "ttl_ms": ttl}
    state.emit("decision_repeated", seen.ids, state.now, data, "the same request was asked again")
    return True
