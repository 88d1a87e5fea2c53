from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from neurorail.app.show import backtest
from neurorail.app.show import format as shown
from neurorail.app.show.summary import scope_text, summary
from neurorail.app.show.tree import chain_tree
from neurorail.rules.events import EVENT_TYPES


def entity(kind: str, entity_id: str, parent: str | None, **more: Any) -> dict[str, Any]:
    return {"entity_type": kind, "entity_id": entity_id, "parent_id": parent, **more}


BODY: dict[str, Any] = {
    "mission": entity(
        "mission",
        "m_1",
        None,
        state="running",
        tags={"name": "harvest"},
        totals={"total_tokens": 1200, "cost_usd": 0.0031, "tool_calls": 2, "unpriced_calls": 1},
    ),
    "plan": None,
    "job": None,
    "attempt": None,
    "resource": None,
    "descendants": [
        entity("plan", "p_1", "m_1", state="running", plan_type="dag"),
        entity("job", "j_1", "p_1", state="failed", error_code="NR-E002", flags=["over_budget"]),
        entity("attempt", "a_1", "j_1", state="succeeded", attempt_number=2, duration_ms=1500),
        entity("resource", "r_1", "a_1", state=None, model="gpt", resource_type="llm_call"),
    ],
}


def text(renderable: object, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


def test_chain_tree_shows_every_entity_below_its_parent() -> None:
    lines = text(chain_tree(BODY, "j_1", 160)).splitlines()
    names = ["m_1", "p_1", "j_1", "a_1", "r_1"]
    indents = [line.index(name) for line, name in zip(lines, names, strict=False)]
    assert len(lines) == 5
    assert "mission m_1 harvest  RUNNING" in lines[0]
    for part in ("1,200 tokens", "$0.0031", "1 unpriced", "2 tool calls"):
        assert part in lines[0]
    assert "FAILED NR-E002" in lines[2]
    assert "⚑ over_budget" in lines[2]
    assert "#2  SUCCEEDED  1.5 s" in lines[3]
    assert indents[1] < indents[2] < indents[3]


def test_chain_tree_of_a_deep_entity_shows_its_ancestors() -> None:
    body = {
        **BODY,
        "plan": BODY["descendants"][0],
        "job": entity("job", "j_9", "p_1", state="queued"),
        "descendants": [entity("attempt", "a_9", "j_9", state="pending")],
        "truncated": True,
    }
    lines = text(chain_tree(body, "j_9", 160)).splitlines()
    assert [name in line for line, name in zip(lines, ("m_1", "p_1", "j_9", "a_9"), strict=False)]
    assert "more below" in lines[-1]


def test_chain_tree_survives_a_circle_and_an_empty_answer() -> None:
    body = {**BODY, "descendants": [entity("mission", "m_1", "m_1", state="running")]}
    assert text(chain_tree(body, "m_1", 160)).count("m_1") == 2
    assert "nothing is known" in text(chain_tree({}, "m_1", 160))


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [(None, ""), (0, "0 ms"), (999, "999 ms"), (1_500, "1.5 s"), (200_000, "3 m 20 s")],
)
def test_duration(milliseconds: int | None, expected: str) -> None:
    assert shown.duration(milliseconds) == expected


@pytest.mark.parametrize(
    ("pico", "expected"),
    [
        (0, "$0.0000"),
        (200_000, "$0.000000200"),
        (63_150_000, "$0.0000632"),
        (500_000_000_000, "$0.5000"),
        (1_234_567_000_000_000, "$1,234.57"),
    ],
)
def test_usd(pico: int, expected: str) -> None:
    assert shown.usd(pico) == expected


def test_pico_usd_is_exact_for_what_json_says() -> None:
    assert shown.pico_usd(0.0031909500001) == 3_190_950_000
    assert shown.pico_usd("12.000000000001") == 12_000_000_000_001
    assert shown.pico_usd(None) == 0


@pytest.mark.parametrize(
    ("event_type", "data", "part"),
    [
        ("state_changed", {"entity_type": "job", "to_state": "pending"}, "job new → pending"),
        ("state_changed", {"to_state": "x", "inferred": True}, "(inferred)"),
        ("transition_rejected", {"transition": "start", "code": "NR-E301"}, "NR-E301"),
        ("cost_tracked", {"model": "m", "llm_tokens": 3}, "m: 3 tokens, unpriced"),
        (
            "cost_tracked",
            {"tool": "t", "cost_usd_pico": 10**12, "priced": True},
            "t: a tool call, $1.00",
        ),
        ("cost_tracked", {"tool": "search", "cost_usd_pico": None}, "search: a tool call"),
        ("budget_violation", {"limit": 5, "consumed": 7, "code": "NR-E002"}, "7 of 5 NR-E002"),
        (
            "budget_violation",
            {"violation_type": "cost", "limit": 0.02, "consumed": 1.5, "scope": {"pool": "all"}},
            "all cost: $1.50 of $0.0200",
        ),
        (
            "budget_warning",
            {
                "violation_type": "timeout",
                "limit": 2000,
                "consumed": 1900,
                "job_id": "j_0123456789abcdef",
                "scope": {"entity_type": "job", "entity_id": "j_0123456789abcdef"},
            },
            "job timeout: 1.9 s of 2.0 s",
        ),
        (
            "retry_exhausted",
            {"retries": 1, "max_retries": 0, "code": "NR-E003"},
            "1 retry, 0 allowed NR-E003",
        ),
        ("manifest_created", {"version": "2.0", "manifest": {}}, "version 2.0"),
        ("timeout_enforced", {"timeout_ms": 9, "code": "NR-E001"}, "ran past 9 ms NR-E001"),
        ("orphan_detected", {"missing": ["plan"], "code": "NR-E007"}, "NR-E007"),
        ("retry_attempted", {"attempt_number": 2}, "attempt 2"),
        ("execution_failure", {"outcome": "failed", "duration_ms": 5}, "failed after 5 ms"),
        ("metrics_recorded", {"input_tokens": 2, "output_tokens": 3}, "5 tokens"),
        ("audit_logged", {"reason": "because"}, "because"),
    ],
)
def test_summary(event_type: str, data: dict[str, Any], part: str) -> None:
    assert part in summary(event_type, data)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_summary_never_shows_how_data_is_written(event_type: str) -> None:
    """Not of what is there, and not of what is missing."""
    nested: dict[str, Any] = {"entity_type": "job", "entity_id": "j_1"}
    values = {
        "missing": ["plan"],
        "active_executions": {},
        "entity_counts": {},
        **dict.fromkeys(("scope", "config", "limits"), nested),
    }
    data = {name: values.get(name, 3) for name in EVENT_TYPES[event_type].fields}
    said = summary(event_type, data)
    assert said
    assert not set("{}[]") & set(said)
    assert "\n" not in summary(event_type, {})


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({"entity_type": "job", "entity_id": "j_0123456789abcdef"}, "job j_…6789abcdef"),
        ({"pool": "daily", "key": "a"}, "daily a"),
        ({"provider": "openai", "model": "gpt-5"}, "provider openai, model gpt-5"),
        ({}, "everything"),
        (None, ""),
    ],
)
def test_scope_text(scope: object, expected: str) -> None:
    assert scope_text(scope) == expected


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
def test_chain_tree_has_one_line_for_each_entity(width: int) -> None:
    tokens = {"total_tokens": 24, "cost_usd": 0.00000048, "tool_calls": 1}
    ids = {kind: f"{kind[0]}_{'0123456789abcdef' * 2}" for kind in ("mission", "plan", "job")}
    ids |= {kind: f"{kind[0]}_{'fedcba9876543210' * 2}" for kind in ("attempt", "resource")}
    parents = [None, *ids.values()]
    found = [
        entity(kind, ids[kind], parent, state="succeeded", totals=tokens, duration_ms=696)
        for kind, parent in zip(ids, parents, strict=False)
    ]
    found[-1] |= {"model": "text-embedding-3-small", "resource_type": "embedding"}
    found[-1]["totals"] = tokens | {"tool_calls": 0}
    body = {"mission": found[0], "descendants": found[1:]}
    lines = text(chain_tree(body, ids["mission"], width), width).splitlines()
    shortened = ids["job"] not in lines[2]
    assert len(lines) == 5 + shortened
    assert all(len(line.rstrip()) <= width for line in lines)
    for line, entity_id in zip(lines, ids.values(), strict=False):
        assert entity_id[-10:] in line
        assert "SUCCEEDED" in line
    if width >= 80:
        assert "696 ms  24 tok" in lines[4]
        assert lines[4].rstrip().endswith("$0.000000480")


def test_concerned_is_the_own_entity_or_the_deepest() -> None:
    assert shown.concerned({"entity_id": "j_1", "resource_id": "r_1"}) == "j_1"
    assert shown.concerned({"mission_id": "m_1", "job_id": "j_1", "resource_id": ""}) == "j_1"
    assert shown.concerned({}) == ""


def test_short_id_keeps_the_prefix_and_the_end() -> None:
    assert shown.short_id("m_0123456789abcdef") == "m_…6789abcdef"
    assert shown.short_id("m_1") == "m_1"
    assert shown.short_id(None) == ""


@pytest.mark.parametrize(
    ("event_type", "style"),
    [("budget_violation", "bold red"), ("budget_warning", "yellow"), ("state_changed", "")],
)
def test_event_style(event_type: str, style: str) -> None:
    assert shown.event_style(event_type) == style


def test_backtest_breaks_neither_ids_nor_links(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    rule = f"budget:m_{'0123456789abcdef' * 2}:tokens:a"
    link = f"http://127.0.0.1:8000/neurorail/trace?mission=m_{'0123456789abcdef' * 2}"
    numbers: dict[str, Any] = {name: 0 for _, name in backtest._NUMBERS}
    numbers["spend_usd"] = 0.0000388
    done: dict[str, Any] = {name: 0 for _, name in backtest._OF_RULE}
    done |= {"refused": 1_200, "spend_avoided_usd": 1.5}
    example = {"code": "NR-E002", "rules": [rule], "call": "gpt", "cost_usd": 0.25,
               "succeeded": True, "link": link}  # fmt: skip
    side = {"name": "tight", "version": "2.0", **numbers}
    report = {
        "new": {**side, "rules": {rule: done}, "examples": [example]},
        "against": side,
        "calls": {"all": 3, "newly_refused": 1, "newly_allowed": 0},
        "approximate": ["one thing"],
    }
    backtest.show(json.dumps(report).encode())
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    at = lines.index(rule)
    assert lines[at + 1] == "refused 1,200, avoided $1.50"
    assert f"NR-E002 {rule}: gpt, $0.2500, succeeded" in lines
    assert link in lines
    assert any(line.startswith("spend ") and "$0.0000388" in line for line in lines)
