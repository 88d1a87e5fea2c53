"""The exported table against the package it is made from, and the user's own prices."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import genai_prices
import msgspec
import pytest
from genai_prices.data import providers

from neurorail.collector.prices import InvalidPrices, PriceFile, load_prices, read_overrides
from neurorail.collector.prices.export import table
from neurorail.rules.observations import Usage
from neurorail.rules.pricing import PriceTable

NOW = 1_780_000_000 * 10**9


@pytest.fixture(scope="module")
def exported() -> PriceTable:
    return PriceTable(table())


def _names(clause: Any) -> Iterator[str]:
    for operator in ("equals", "starts_with", "contains", "ends_with"):
        if hasattr(clause, operator):
            yield getattr(clause, operator)
    for part in getattr(clause, "or_", ()):
        yield from _names(part)


def _samples() -> Iterator[tuple[str, str]]:
    for provider in providers:
        for model in provider.models:
            yield provider.id, model.id
            for name in list(_names(model.match))[:2]:
                yield provider.id, name


def test_costs_what_the_package_says_to_the_pico_dollar(exported: PriceTable) -> None:
    draw = random.Random(20260601)
    compared = 0
    for provider, name in _samples():
        tokens_in = draw.choice((0, 7, 150_000, 250_000, 900_000)) + draw.randrange(1000)
        tokens_out = draw.randrange(100_000)
        cache_read = draw.randrange(tokens_in // 2 + 1)
        cache_write = draw.randrange(tokens_in // 2 + 1)
        reasoning = draw.randrange(tokens_out + 1)
        at = draw.randrange(1_690_000_000, 1_800_000_000)
        cost = exported.cost_usd_pico(
            provider,
            name,
            Usage(
                "inference",
                input_tokens=tokens_in,
                output_tokens=tokens_out,
                cache_read_tokens=cache_read,
                cache_write_tokens=cache_write,
                reasoning_tokens=reasoning,
                has_tokens=True,
            ),
            at * 10**9,
        )
        try:
            calculated = genai_prices.calc_price(
                genai_prices.Usage(
                    input_tokens=tokens_in,
                    output_tokens=tokens_out,
                    cache_read_tokens=cache_read,
                    cache_write_tokens=cache_write,
                    output_reasoning_tokens=reasoning,
                ),
                name,
                provider_id=provider,
                genai_request_timestamp=datetime.fromtimestamp(at, UTC),
            )
        except LookupError:
            assert cost is None, (provider, name)
            continue
        expected = int((calculated.total_price * 10**12).to_integral_value())
        if cost is None:
            # What the package does not price it counts as zero; here it is unpriced.
            assert expected == 0, (provider, name)
            continue
        assert cost == expected, (provider, name, at)
        compared += 1
    assert compared > 4000


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "gpt-4o"),
        ("openai.chat", "gpt-4o"),
        ("azure.ai.openai", "gpt-4o"),
        ("azure.ai.inference", "gpt-4o"),
        ("aws.bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0"),
        ("gcp.vertex_ai", "gemini-2.5-pro"),
        ("gcp.gemini", "gemini-2.5-pro"),
        ("gcp.gen_ai", "gemini-2.5-pro"),
        ("mistral_ai", "mistral-large-latest"),
        ("x_ai", "grok-3"),
        ("anthropic", "claude-sonnet-4-20250514"),
        ("langchain", "gpt-4o"),
        (None, "gpt-4o"),
        (None, "claude-sonnet-4-20250514"),
    ],
)
def test_knows_the_providers_by_the_names_of_telemetry(
    exported: PriceTable, provider: str | None, name: str
) -> None:
    used = Usage("inference", input_tokens=1000, output_tokens=100, has_tokens=True)
    assert (exported.cost_usd_pico(provider, name, used, NOW) or 0) > 0


def test_a_model_that_is_run_at_home_is_not_priced(exported: PriceTable) -> None:
    used = Usage("inference", input_tokens=1000, has_tokens=True)
    assert exported.cost_usd_pico("ollama", "gpt-4o", used, NOW) is None
    assert exported.cost_usd_pico("openai", "no-such-model", used, NOW) is None


def test_a_model_named_free_is_free(exported: PriceTable) -> None:
    used = Usage("inference", input_tokens=1000, has_tokens=True)
    assert exported.cost_usd_pico("openrouter", "deepseek-r1:free", used, NOW) == 0


def test_the_file_is_made_once_and_its_hash_is_of_its_bytes(tmp_path: Path) -> None:
    first = load_prices(tmp_path / "prices")
    (file,) = (tmp_path / "prices").iterdir()
    made = file.stat().st_mtime_ns
    second = load_prices(tmp_path / "prices")
    assert first == second
    assert file.stat().st_mtime_ns == made
    assert first.version == f"genai-prices {genai_prices.__version__}"
    assert first.sha256 == hashlib.sha256(first.json).hexdigest()
    assert PriceTable.from_json(first.json).version == first.version


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    whole = load_prices(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    assert load_prices(tmp_path) == whole
    file.write_bytes(b'{"version": "other"}')
    assert load_prices(tmp_path) == whole


def _with(tmp_path: Path, *entries: dict[str, Any]) -> PriceFile:
    name = f"genai-prices {genai_prices.__version__}"
    file = tmp_path / f"{name.replace(' ', '-')}.json"
    file.write_bytes(msgspec.json.encode(table()))
    return load_prices(tmp_path, read_overrides(entries))


def test_overrides_are_part_of_version_and_hash(tmp_path: Path) -> None:
    plain = load_prices(tmp_path)
    changed = _with(
        tmp_path,
        {"provider": "OpenAI", "model": "gpt-4o", "input_mtok": 0.1, "output_mtok": "0.2"},
        {
            "match": {"starts_with": "house-"},
            "input_mtok": {"base": 1, "tiers": [[10, 2]]},
            "start": date(2026, 1, 1),
        },
    )
    assert changed.version == f"{plain.version} + 2 overrides"
    assert changed.sha256 != plain.sha256
    prices = PriceTable.from_json(changed.json)
    used = Usage("inference", input_tokens=10, output_tokens=10, has_tokens=True)
    assert prices.cost_usd_pico("openai", "gpt-4o", used, NOW) == 10 * 100_000 + 10 * 200_000
    more = Usage("inference", input_tokens=11, has_tokens=True)
    assert prices.cost_usd_pico("ollama", "house-1", used, NOW) == 10_000_000
    assert prices.cost_usd_pico("ollama", "house-1", more, NOW) == 22_000_000


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (["model"], "write a mapping"),
        ({"model": "m", "input_mtoks": 1}, r"unknown keys \['input_mtoks'\]"),
        ({"model": "m"}, "has no price"),
        ({"input_mtok": 1}, "either `model` or `match`"),
        ({"model": "m", "match": {"equals": "m"}, "input_mtok": 1}, "either `model` or `match`"),
        ({"match": {"is": "m"}, "input_mtok": 1}, "'is' is unknown"),
        ({"model": "m", "input_mtok": "cheap"}, "no amount"),
        ({"model": "m", "input_mtok": True}, "no amount"),
        ({"model": "m", "input_mtok": -1}, "must be from 0"),
        ({"model": "m", "input_mtok": "NaN"}, "must be from 0"),
        ({"model": "m", "input_mtok": "1e30"}, "must be from 0"),
        ({"model": "m", "input_mtok": {"tiers": []}}, "amount or {base, tiers}"),
        ({"model": "m", "input_mtok": {"base": 1, "tiers": [[-1, 2]]}}, "tier"),
        ({"model": "m", "input_mtok": {"base": 1, "tiers": [1]}}, "tier"),
        ({"model": "m", "input_mtok": 1, "start": "soon"}, "no date"),
        ({"model": "m", "input_mtok": 1, "start": 2026}, "no date"),
    ],
)
def test_refuses_overrides_that_mean_nothing(entry: Any, message: str) -> None:
    with pytest.raises(InvalidPrices, match=message):
        read_overrides([entry])
