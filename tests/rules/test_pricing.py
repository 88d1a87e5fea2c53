"""Prices: exact sums, matching, dates, hours, tiers, and what has no price."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorail.rules.observations import Usage
from neurorail.rules.price_match import compile_clause, dashed_dates
from neurorail.rules.pricing import LOOKUPS_MAX, PriceTable

NOON = int(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()) * 10**9
DAY_NS = 86_400 * 10**9


def usage(
    tokens_in: int = 0,
    tokens_out: int = 0,
    cache_read_tokens: int = 0,
    cache_write_tokens: int = 0,
    reasoning_tokens: int = 0,
) -> Usage:
    return Usage(
        "inference",
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cache_read_tokens=cache_read_tokens,
        cache_write_tokens=cache_write_tokens,
        reasoning_tokens=reasoning_tokens,
        has_tokens=True,
    )


def model(name: str, *prices: dict[str, Any], match: dict[str, Any] | None = None) -> Any:
    return {"id": name, "match": match or {"equals": name}, "prices": list(prices)}


def table(*models: Any, **more: Any) -> PriceTable:
    provider = {"id": "acme", "provider_match": {"contains": "acme"}, "models": list(models)}
    provider |= more.pop("provider", {})
    data = {"format": 1, "version": "test", "providers": [provider], **more}
    return PriceTable.from_json(json.dumps(data).encode())


def test_sums_each_kind_at_its_own_price() -> None:
    prices = table(
        model(
            "m",
            {
                "input_mtok": "3",
                "output_mtok": "15",
                "cache_read_mtok": "0.3",
                "cache_write_mtok": "3.75",
                "output_reasoning_mtok": "20",
                "requests_kcount": "5",
            },
        )
    )
    used = usage(1000, 500, cache_read_tokens=200, cache_write_tokens=100, reasoning_tokens=50)
    cost = prices.cost_usd_pico("acme", "m", used, NOON)
    expected = (
        700 * 3_000_000
        + 200 * 300_000
        + 100 * 3_750_000
        + 450 * 15_000_000
        + 50 * 20_000_000
        + 5_000_000_000
    )
    assert cost == expected


def test_kinds_without_a_price_of_their_own_are_plain_input_and_output() -> None:
    prices = table(model("m", {"input_mtok": "1", "output_mtok": "2"}))
    used = usage(10, 10, cache_read_tokens=9, cache_write_tokens=1, reasoning_tokens=10)
    assert prices.cost_usd_pico("acme", "m", used, NOON) == 10 * 1_000_000 + 10 * 2_000_000


def test_parts_above_their_whole_never_make_a_cost_negative() -> None:
    prices = table(model("m", {"input_mtok": "1", "cache_read_mtok": "0.1"}))
    used = usage(5, 0, cache_read_tokens=9)
    assert prices.cost_usd_pico("acme", "m", used, NOON) == 9 * 100_000


@pytest.mark.parametrize(
    ("price", "tokens", "cost"),
    [
        ("0.0000005", 1, 0),  # half a pico: to even
        ("0.0000005", 3, 2),  # one and a half: to even
        ("0.0000005", 5, 2),  # two and a half: to even
        ("0.0000007", 1, 1),
        ("0.0000004", 1, 0),
    ],
)
def test_rounds_the_total_once_half_to_even(price: str, tokens: int, cost: int) -> None:
    prices = table(model("m", {"input_mtok": price}))
    assert prices.cost_usd_pico("acme", "m", usage(tokens), NOON) == cost


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_whole_prices_are_exact_at_any_size(tokens_in: int, tokens_out: int) -> None:
    prices = table(model("m", {"input_mtok": "2.5", "output_mtok": "10"}))
    cost = prices.cost_usd_pico("acme", "m", usage(tokens_in, tokens_out), NOON)
    assert cost == tokens_in * 2_500_000 + tokens_out * 10_000_000


def test_a_tier_prices_all_tokens_once_its_threshold_is_passed() -> None:
    tiers = {"base": "1", "tiers": [[200_000, "2"], [400_000, "4"]]}
    prices = table(model("m", {"input_mtok": tiers, "output_mtok": tiers}))
    for tokens, rate in ((200_000, 1), (200_001, 2), (400_000, 2), (400_001, 4)):
        cost = prices.cost_usd_pico("acme", "m", usage(tokens, 7), NOON)
        assert cost == (tokens + 7) * rate * 1_000_000


def test_the_last_price_that_has_begun_holds() -> None:
    day = NOON // DAY_NS
    prices = table(
        model(
            "m",
            {"input_mtok": "1"},
            {"input_mtok": "2", "start_day": day},
            {"input_mtok": "3", "start_day": day + 1},
        )
    )
    midnight = day * DAY_NS
    for at, rate in ((midnight - 1, 1), (midnight, 2), (NOON, 2), (midnight + DAY_NS, 3)):
        assert prices.cost_usd_pico("acme", "m", usage(1), at) == rate * 1_000_000


def test_before_every_start_the_first_price_holds() -> None:
    prices = table(
        model(
            "m", {"input_mtok": "1", "start_day": 99_999}, {"input_mtok": "2", "start_day": 99_998}
        )
    )
    assert prices.cost_usd_pico("acme", "m", usage(1), NOON) == 1_000_000


@pytest.mark.parametrize(
    ("hours", "second", "rate"),
    [
        ([3600, 7200], 3599, 1),
        ([3600, 7200], 3600, 2),
        ([3600, 7200], 7199, 2),
        ([3600, 7200], 7200, 1),
        ([72_000, 3600], 80_000, 2),
        ([72_000, 3600], 10, 2),
        ([72_000, 3600], 3600, 1),
    ],
)
def test_hours_of_the_day_also_over_midnight(hours: list[int], second: int, rate: int) -> None:
    prices = table(model("m", {"input_mtok": "1"}, {"input_mtok": "2", "hours": hours}))
    at = NOON // DAY_NS * DAY_NS + second * 10**9
    assert prices.cost_usd_pico("acme", "m", usage(1), at) == rate * 1_000_000


def test_what_is_not_known_has_no_price_and_is_never_free() -> None:
    prices = table(model("m", {"input_mtok": "1"}), model("nothing", {}), model("never"))
    ask = prices.cost_usd_pico
    assert ask("acme", "other", usage(1), NOON) is None
    assert ask("nobody", "m", usage(1), NOON) is None
    assert ask("acme", None, usage(1), NOON) is None
    assert ask("acme", "", usage(1), NOON) is None
    assert ask("acme", "m" * 600, usage(1), NOON) is None
    assert ask("acme", "nothing", usage(1), NOON) is None
    assert ask("acme", "never", usage(1), NOON) is None
    assert ask(None, "m", usage(1), NOON) is None
    assert ask("acme", "m", Usage("inference"), NOON) is None
    assert ask("acme", "m", Usage("tool", has_tokens=True, input_tokens=1), NOON) is None


def test_a_later_entry_without_a_price_ends_an_earlier_one() -> None:
    prices = table(model("m", {"input_mtok": "1"}, {"start_day": 1}))
    assert prices.cost_usd_pico("acme", "m", usage(1), NOON) is None


def test_a_stated_zero_is_free() -> None:
    prices = table(model("m", {"input_mtok": "0"}))
    assert prices.cost_usd_pico("acme", "m", usage(10**9), NOON) == 0


def two_providers() -> PriceTable:
    return PriceTable(
        {
            "format": 1,
            "version": "test",
            "provider_aliases": {"x.acme": "acme", "framework": None},
            "providers": [
                {
                    "id": "acme",
                    "provider_match": {"starts_with": "acme-"},
                    "model_match": {"starts_with": "a-"},
                    "fallback": ["missing", "zoo"],
                    "models": [model("a-1", {"input_mtok": "1"})],
                },
                {
                    "id": "zoo",
                    "model_match": {"starts_with": "z-"},
                    "models": [
                        model("z-1", {"input_mtok": "2"}),
                        model("z-2-2026-01-31", {"input_mtok": "3"}),
                    ],
                },
            ],
        }
    )


@pytest.mark.parametrize(
    ("provider", "name", "rate"),
    [
        ("acme", "a-1", 1),
        ("ACME", "A-1", 1),
        ("acme-eu", "a-1", 1),
        ("x.acme", "a-1", 1),
        ("framework", "z-1", 2),
        (None, "z-1", 2),
        (None, "a-1", 1),
        ("acme", "z-1", 2),
        ("zoo", "a-1", None),
        ("zoo", "z-2-20260131", 3),
        ("acme", "z-2-20260131", 3),
        ("litellm", "zoo/z-1", 2),
        ("litellm", "z-1", 2),
        ("litellm", "other/z-1", None),
        ("stranger", "z-1", None),
    ],
)
def test_finds_the_provider_and_the_model(
    provider: str | None, name: str, rate: int | None
) -> None:
    cost = two_providers().cost_usd_pico(provider, name, usage(1), NOON)
    assert cost == (None if rate is None else rate * 1_000_000)


def test_overrides_come_first_also_for_what_nobody_knows() -> None:
    prices = table(
        model("m", {"input_mtok": "1"}),
        overrides=[
            {"provider": "acme", "match": {"equals": "m"}, "prices": [{"input_mtok": "7"}]},
            {"match": {"starts_with": "own-"}, "prices": [{"input_mtok": "9"}]},
        ],
    )
    assert prices.cost_usd_pico("acme-eu", "m", usage(1), NOON) == 7_000_000
    assert prices.cost_usd_pico("other", "m", usage(1), NOON) is None
    assert prices.cost_usd_pico("ollama", "own-model", usage(1), NOON) == 9_000_000
    assert prices.cost_usd_pico(None, "own-model", usage(1), NOON) == 9_000_000
    assert prices.models == 3


def test_the_memory_of_lookups_is_bounded_and_changes_nothing() -> None:
    prices = table(model("m", {"input_mtok": "1"}))
    for number in range(LOOKUPS_MAX + 10):
        assert prices.cost_usd_pico("acme", f"n{number}", usage(1), NOON) is None
    assert prices.cost_usd_pico("acme", "m", usage(1), NOON) == 1_000_000
    assert len(prices._known) <= LOOKUPS_MAX


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[]", "no JSON object"),
        (b'{"format": 2}', "format 2"),
        (b'{"format": 1}', "malformed"),
        (b'{"format": 1, "version": "x", "providers": [{}]}', "malformed"),
        (b"{", "Expecting"),
    ],
)
def test_refuses_what_is_no_table(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PriceTable.from_json(data)


@pytest.mark.parametrize("price", ["-1", 0.1, 1, "one", "1/0"])
def test_refuses_prices_that_are_no_decimal_text(price: object) -> None:
    with pytest.raises(ValueError, match="price"):
        table(model("m", {"input_mtok": price}))


@pytest.mark.parametrize(
    ("clause", "yes", "no"),
    [
        ({"equals": "GPT"}, "gpt", "gpt-4"),
        ({"starts_with": "GPT"}, "gpt-4", "a-gpt"),
        ({"ends_with": "Mini"}, "gpt-mini", "mini-gpt"),
        ({"contains": "4O"}, "gpt-4o-mini", "gpt-4"),
        ({"regex": r"^o\d$"}, "o3", "o33"),
        ({"or": [{"equals": "a"}, {"equals": "b"}]}, "b", "c"),
        ({"and": [{"starts_with": "a"}, {"ends_with": "b"}]}, "a-b", "a-c"),
    ],
)
def test_clauses(clause: dict[str, Any], yes: str, no: str) -> None:
    matches = compile_clause(clause)
    assert matches(yes)
    assert not matches(no)


@pytest.mark.parametrize(
    "clause",
    [
        {},
        {"equals": "a", "contains": "b"},
        {"equals": 1},
        {"regex": "("},
        {"or": "a"},
        {"is": "a"},
        7,
    ],
)
def test_refuses_other_clauses(clause: Any) -> None:
    with pytest.raises(ValueError, match=r"match|expression"):
        compile_clause(clause)


@pytest.mark.parametrize(
    ("name", "dashed"),
    [
        ("gpt-5-20251211", "gpt-5-2025-12-11"),
        ("gpt-5-20251211:free", "gpt-5-2025-12-11:free"),
        ("gpt-5-20250230", "gpt-5-20250230"),
        ("gpt-5-20240229", "gpt-5-2024-02-29"),
        ("gpt-5-20230229", "gpt-5-20230229"),
        ("gpt-5-2025121", "gpt-5-2025121"),
    ],
)
def test_dates_without_dashes(name: str, dashed: str) -> None:
    assert dashed_dates(name) == dashed


def test_refuses_a_tier_whose_price_is_no_text() -> None:
    with pytest.raises(ValueError, match="write it in quotes"):
        table(model("m", {"input_mtok": {"base": "1", "tiers": [[10, 2]]}}))
