"""Tokens without a cost cost what their model's prices say: at most before, exactly after."""

from __future__ import annotations

import json
from typing import Any

from tests.rules.governor.desk import Desk
from tests.rules.governor.test_decide import manifest

from neurorail.rules.manifest.settings import Estimate, Estimates
from neurorail.rules.observations import PricesLoaded, ReservationReported

MICRO = 1_000_000
"""Pico-USD."""
PRICE = {
    "input_mtok": "1", "output_mtok": "10", "cache_write_mtok": "3",
    "output_reasoning_mtok": "20",
}  # fmt: skip


def desk(**sections: Any) -> Desk:
    """A desk at which the model `known` has a price."""
    made = Desk(manifest(**sections))
    overrides = [{"match": {"equals": "known"}, "prices": [PRICE]}]
    table = {"format": 1, "version": "t", "providers": [], "overrides": overrides}
    made.send(PricesLoaded("t", "ab", json.dumps(table).encode()))
    return made


def reserved(desk: Desk, model: str | None, **estimates: Any) -> int | None:
    context = {} if model is None else {"model": model, "provider": "acme"}
    cost: int | None = desk.ask("m_1", context=context, **estimates)["reserved"].get(
        "cost_usd_pico"
    )
    return cost


def test_estimated_tokens_reserve_the_most_they_can_cost() -> None:
    most = (100 * 3 + 10 * 20) * MICRO
    assert reserved(desk(), "known", input_tokens=100, output_tokens=10) == most


def test_a_stated_cost_is_taken_as_it_is() -> None:
    known: dict[str, Any] = {"input_tokens": 100, "output_tokens": 10, "cost_usd_pico": 7}
    assert reserved(desk(), "known", **known) == 7


def test_without_a_price_or_both_counts_the_manifest_s_estimate_holds() -> None:
    estimates = Estimates(by_job_type={"llm_call": Estimate(cost_usd_pico=5)})
    asked = desk(estimates=estimates)
    assert reserved(asked, "unknown", input_tokens=100, output_tokens=10) == 5
    assert reserved(asked, None, input_tokens=100, output_tokens=10) == 5
    assert reserved(asked, "known", input_tokens=100) == 5


def settled(desk: Desk, **said: Any) -> Any:
    usage = tuple(sorted(said.pop("usage").items()))
    (event,) = [
        event
        for event in desk.send(ReservationReported("reconcile", "v1", usage, **said))
        if event.type == "reservation_settled"
    ]
    return event.data["used"].get("cost_usd_pico")


def test_reported_tokens_are_charged_at_their_price() -> None:
    for said, cost in (
        ({"usage": {"input_tokens": 5, "output_tokens": 2}, "model": "known"}, 25 * MICRO),
        ({"usage": {"input_tokens": 5}, "model": "known", "provider": "acme"}, 5 * MICRO),
        ({"usage": {"input_tokens": 5, "cost_usd_pico": 9}, "model": "known"}, 9),
        ({"usage": {"input_tokens": 5}, "model": "unknown"}, None),
        ({"usage": {"input_tokens": 5}}, None),
    ):
        asked = desk()
        asked.ask("m_1", context={"model": "known"}, input_tokens=100, output_tokens=10)
        assert settled(asked, **said) == cost
