"""How destinations are configured, and how mistakes in them are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from neurorail.app.config_load import ConfigError, load
from neurorail.collector.export import Destination


def complaint(**destination: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load(None, {"export": {"destinations": {"there": destination}}})
    return str(caught.value)


def test_a_destination_is_read_from_a_file_and_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "neurorail.yaml"
    file.write_text(
        "export:\n  destinations:\n    tempo:\n      endpoint: http://tempo:4317\n"
        "      headers: {x-scope-orgid: a}\n      signals: [traces]\n"
    )
    monkeypatch.setenv("NEURORAIL_EXPORT__DESTINATIONS__TEMPO__ENRICH", "true")
    monkeypatch.setenv("NEURORAIL_EXPORT__DESTINATIONS__LOKI__ENDPOINT", "https://loki:4318")
    monkeypatch.setenv("NEURORAIL_EXPORT__DESTINATIONS__LOKI__PROTOCOL", "http/protobuf")
    assert load(file).export.destinations == {
        "tempo": Destination(
            "http://tempo:4317", headers={"x-scope-orgid": "a"}, signals=("traces",), enrich=True
        ),
        "loki": Destination("https://loki:4318", "http/protobuf"),
    }


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "endpoint"),
        ({"endpoint": "tempo:4317"}, "'tempo:4317' is no address: write http://HOST:PORT"),
        ({"endpoint": "http://a:1/v1"}, "'http://a:1/v1' has a path"),
        ({"endpoint": "http://a:1", "signals": ()}, "signals is empty"),
        ({"endpoint": "http://a:1", "cert_file": "c.pem"}, "cert_file and key_file together"),
        ({"endpoint": "http://a:1", "timeout_s": 0}, "timeout_s is 0.0"),
        ({"endpoint": "http://a:1", "retry_delay_ms_max": 1}, "retry_delay_ms_max is 1"),
        ({"endpoint": "http://a:1", "queue_bytes": 9 << 30}, "at most half of inbox.max_bytes"),
        ({"endpoint": "http://a:1", "endpont": "x"}, "no such setting; did you mean endpoint?"),
        ({"endpoint": "http://a:1", "protocol": "udp"}, "protocol"),
    ],
)
def test_a_mistake_is_named(settings: dict[str, Any], said: str) -> None:
    assert said in complaint(**settings)


def test_a_name_has_a_form() -> None:
    with pytest.raises(ConfigError, match="'My Tempo' is no name"):
        load(None, {"export": {"destinations": {"My Tempo": {"endpoint": "http://a:1"}}}})


def test_headers_in_a_file_are_checked(tmp_path: Path) -> None:
    file = tmp_path / "headers"
    file.write_text("authorization: Bearer a:b\n\nnonsense\n")
    with pytest.raises(ValueError, match=r"headers:3: write NAME: VALUE"):
        Destination("http://a:1", headers_file=file).all_headers()
