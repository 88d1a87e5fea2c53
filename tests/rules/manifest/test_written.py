import json

import pytest
from tests.rules.manifest.test_diff import HEAD

from neurorail.rules.manifest.default import shipped
from neurorail.rules.manifest.load import load
from neurorail.rules.manifest.model import Manifest
from neurorail.rules.manifest.scalars import write_duration
from neurorail.rules.manifest.written import written

RULES = """
mode_rules:
- id: a
  mode: rail
  when:
    tool: null
    job_type: [payment, refund]
    cost_usd: {more_than: 0.25}
    duration: {at_least: 90s}
    first_signal: {not: null}
    any: [{environment: production}, {not: {risk_class: EXTERNAL}}]
    all: [{tokens: {at_most: 5}}]
    cel: cost_usd_pico > 1000
pools:
- {id: b, key: [agent], window: {rolling: 90m}, limits: {max_cost_usd: 0.5, max_wall_time: 1500ms}}
reflexes:
- id: c
  per: [provider]
  trigger: {error_rate: {window: 1m, percent: 50, min_volume: 10}}
  actions: [suspend, {alert: {webhook: ops}}]
attributes: {agent: [my.agent]}
"""


@pytest.mark.parametrize("manifest", [shipped(), load(HEAD.format("1") + RULES)])
def test_what_is_written_is_read_as_the_same(manifest: Manifest) -> None:
    again = load(json.dumps(written(manifest)))
    assert again.sha256 == manifest.sha256


def test_names_and_units_are_those_that_people_write() -> None:
    found = written(load(HEAD.format("1") + RULES))
    (pool,), (rule,) = found["pools"], found["mode_rules"]
    assert rule["when"]["cost_usd"] == {"more_than": "0.25"}
    assert rule["when"]["duration"] == {"at_least": "90s"}
    assert pool["window"] == {"rolling": "90m", "zone": "UTC"}
    assert pool["limits"]["max_cost_usd"] == "0.5"
    assert pool["limits"]["max_wall_time"] == "1500ms"


def test_prices_are_those_of_the_table() -> None:
    def price(entry: object) -> dict[str, object]:
        return {"read": entry}

    text = HEAD.format("1") + "prices: [{model: m, input_mtok: 3}]\n"
    (one,) = written(load(text, read_price=price))["prices"]
    assert set(one) == {"read"}


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0"), (1, "1ms"), (1_500, "1500ms"), (30_000, "30s"), (90_000, "90s"), (3_600_000, "1h"),
     (86_400_000, "1d"), (604_800_000, "7d")],
)  # fmt: skip
def test_durations_have_the_largest_unit_that_fits(ms: int, text: str) -> None:
    assert write_duration(ms) == text
