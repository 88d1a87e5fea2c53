from __future__ import annotations

import pytest

from neurorail.instrumentation.gate.config import GateConfig
from neurorail.instrumentation.gate.estimate import (
    IMAGE_TOKENS,
    OVERHEAD_TOKENS,
    bounds_of,
)
from neurorail.instrumentation.gate.modes import Modes

ENDPOINT = "NEURORAIL_ENDPOINT"
OTLP = "OTEL_EXPORTER_OTLP_ENDPOINT"


def test_settings_of_the_environment() -> None:
    config = GateConfig.from_environment(
        {ENDPOINT: "https://rail:8000", "NEURORAIL_API_KEY": "k", "NEURORAIL_MODE": "Rail",
         "NEURORAIL_FAIL": "closed", "NEURORAIL_TIMEOUT_MS": "50"}
    )  # fmt: skip
    assert config == GateConfig("https://rail:8000", "k", "rail", True, 50)


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({OTLP: "http://localhost:4318"}, "http://127.0.0.1:8000"),
        ({OTLP: "http://collector.example:4318"}, ""),
        ({ENDPOINT: "none"}, ""),
    ],
)
def test_a_server_is_looked_for_at_home_only(variables: dict[str, str], endpoint: str) -> None:
    assert GateConfig.from_environment(variables).endpoint == endpoint


@pytest.mark.parametrize(
    ("name", "value"),
    [("NEURORAIL_MODE", "fast"), ("NEURORAIL_FAIL", "maybe"), ("NEURORAIL_TIMEOUT_MS", "0")],
)
def test_impossible_settings_are_named(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        GateConfig.from_environment({name: value})


@pytest.mark.parametrize("text", ["hello", "wörter 😀", "日本語のテキスト", "a" * 5_000])
def test_a_prompt_has_no_more_tokens_than_its_bound(text: str) -> None:
    tiktoken = pytest.importorskip("tiktoken")
    bounds = bounds_of({"messages": [{"role": "user", "content": text}], "max_tokens": 5})
    assert bounds.input_tokens is not None
    # The most a byte-level vocabulary can need is one token a byte.
    assert bounds.input_tokens >= len(text.encode()) + OVERHEAD_TOKENS
    assert bounds.output_tokens == 5
    assert tiktoken


def test_output_is_bound_by_what_limits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bounds_of({"input": "x"}).output_tokens is None
    assert bounds_of({"max_output_tokens": 7, "n": 3}).output_tokens == 21
    monkeypatch.setenv("NEURORAIL_OUTPUT_TOKENS_MAX", "100")
    assert bounds_of({"input": "x"}).output_tokens == 100
    assert bounds_of({"input": "x"}).tokens is not None
    assert bounds_of({"input": "x"}, output_limit=0).output_tokens == 0


def test_what_cannot_be_sized_is_not_guessed() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    bounds = bounds_of({"messages": [{"role": "user", "content": [picture]}]})
    assert bounds.input_tokens is not None
    assert IMAGE_TOKENS < bounds.input_tokens < IMAGE_TOKENS + 1_000
    assert bounds_of({"input": [{"type": "input_file", "file_id": "f"}]}).input_tokens is None
    assert bounds_of({"previous_response_id": "r", "input": "x"}).input_tokens is None


def test_objects_and_functions_are_sized_by_what_they_say() -> None:
    def search(query: str) -> str:
        """Search for something, at length."""
        return query

    class Message:
        def __init__(self) -> None:
            self.content = "x" * 500

    bounds = bounds_of({"tools": [search], "messages": [Message()], "raw": b"png"})
    assert bounds.input_tokens is not None
    assert bounds.input_tokens > IMAGE_TOKENS + 500 + len("Search for something, at length.")


def test_modes_are_remembered_by_kind() -> None:
    modes = Modes()
    kind = {"job_type": "x", "model": "a"}
    assert not modes.is_direct({**kind, "mission_id": "m_1"})
    modes.note({**kind, "mission_id": "m_1"}, "direct")
    assert modes.is_direct({**kind, "mission_id": "m_2"})
    assert not modes.is_direct({**kind, "model": "b"})
    modes.note(kind, "rail")
    assert modes.is_rail(kind)
    assert not modes.is_direct(kind)
    modes.note(kind, "direct")
    modes.forget()
    assert not modes.is_direct(kind)
    assert not modes.is_rail(kind)
