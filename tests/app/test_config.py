from __future__ import annotations

from pathlib import Path

import pytest

from neurorail.app.config import Config, is_loopback, split_address
from neurorail.app.config_load import ConfigError, load
from neurorail.app.wiring import webhooks


def write(folder: Path, text: str) -> Path:
    file = folder / "neurorail.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def complaints(file: Path | None = None, options: dict[str, object] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(file, options)
    return str(caught.value)


def test_load_without_anything_gives_the_defaults() -> None:
    config = load()
    assert config == Config()
    assert (config.otlp.grpc.address, config.otlp.http.address, config.api.address) == (
        "127.0.0.1:4317",
        "127.0.0.1:4318",
        "127.0.0.1:8000",
    )
    assert config.content.store_content is False
    assert config.engine.lateness_ms == 10_000


def test_load_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load(write(tmp_path, "")) == Config()
    assert load(write(tmp_path, "engine:\n  # lateness_ms: 5\n")) == Config()


def test_load_options_win_over_variables_and_variables_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(
        tmp_path, "data_dir: a\nengine:\n  lateness_ms: 1\n  idle_ms: 2\napi: {address: ':1'}\n"
    )
    monkeypatch.setenv("NEURORAIL_ENGINE__LATENESS_MS", "3")
    monkeypatch.setenv("NEURORAIL_API__ADDRESS", "127.0.0.1:2")
    config = load(file, {"api": {"address": "127.0.0.1:3"}})
    assert config.data_dir == Path("a")
    assert (config.engine.lateness_ms, config.engine.idle_ms) == (3, 2)
    assert config.api.address == "127.0.0.1:3"


def test_load_variable_holds_a_list_and_a_map_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURORAIL_API__CORS_ORIGINS", '["https://a.example"]')
    monkeypatch.setenv("NEURORAIL_CLICKHOUSE__RETENTION_DAYS", '{"otel_logs": 3}')
    config = load()
    assert config.api.cors_origins == ("https://a.example",)
    assert config.clickhouse.retention_days["otel_logs"] == 3
    assert config.clickhouse.retention_days["otel_traces"] == 30


def test_load_variables_of_agents_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURORAIL_ENDPOINT", "http://127.0.0.1:8000")
    monkeypatch.setenv("NEURORAIL_API_KEY", "k")
    assert load() == Config()


@pytest.mark.parametrize(
    ("text", "line", "name", "says"),
    [
        ("engine:\n  latenes_ms: 3\n", 2, "engine.latenes_ms", "did you mean lateness_ms?"),
        ("\n\nenigne: {}\n", 3, "enigne", "did you mean engine?"),
        ("api:\n  addres: x\n", 2, "api.addres", "did you mean address?"),
        ("api:\n  address: here\n", 2, "api.address", "write HOST:PORT"),
        ("api:\n  address: 127.0.0.1:70000\n", 2, "api.address", "is no address"),
        ("otlp:\n  max_request_bytes: big\n", 2, "otlp.max_request_bytes", "not 'big'"),
        ("otlp:\n  grpc:\n    tls:\n      cert_file: a\n", 3, "otlp.grpc.tls", "key_file"),
        ("otlp:\n  max_inflight_bytes: 5\n", 1, "otlp", "max_inflight_bytes is 5"),
        ("engine:\n  lateness_ms: -1\n", 1, "engine", "engine.lateness_ms is -1"),
        ("engine:\n  warn_percent: 101\n", 1, "engine", "warn_percent is 101"),
        ("inbox:\n  rotate_bytes: 0\n", 1, "inbox", "inbox.rotate_bytes is 0"),
        ("node: 'a b'\n", 1, "node", "'a b' is no node name"),
        ("clickhouse:\n  url: ftp://x\n", 2, "clickhouse.url", "write http://HOST:8123"),
        (
            "clickhouse:\n  retention_days: {neurorail_audit: 3}\n",
            2,
            "clickhouse.retention_days",
            "'neurorail_audit' has no retention",
        ),
        ("log:\n  level: loud\n", 2, "log.level", "not 'loud'"),
        ("stream: 3\n", 1, "stream", "not 3"),
    ],
)
def test_load_wrong_value_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, name: str, says: str
) -> None:
    file = write(tmp_path, text)
    message = complaints(file)
    assert message.startswith(f"{file}:{line}: {name}: ")
    assert says in message


def test_load_reports_every_wrong_value_at_once(tmp_path: Path) -> None:
    message = complaints(write(tmp_path, "node: 'a b'\nfoo: 1\nlog: {level: x}\n"))
    assert len(message.splitlines()) == 3


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("NEURORAIL_ENGIN__LATENESS_MS", "3", "no such setting; did you mean ENGINE?"),
        ("NEURORAIL_ENGINE__LATENES_MS", "3", "did you mean lateness_ms?"),
        ("NEURORAIL_OTLP__GRPC__ADDRESS", "somewhere", "is no address"),
        ("NEURORAIL_API__CORS_ORIGINS", "no json", "api"),
    ],
)
def test_load_wrong_variable_is_refused_by_name(
    variable: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    message = complaints()
    assert message.startswith((variable, "variables NEURORAIL_"))
    assert says in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [\n", ":2: no valid YAML"),
        ("- a\n", ":1: must hold keys and values, not list"),
        ("a: &a [*a, !!python/object:x.y {}]", "no valid YAML"),
    ],
)
def test_load_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, says: str) -> None:
    assert says in complaints(write(tmp_path, text))


def test_load_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    assert "absent.yaml: cannot be read" in complaints(tmp_path / "absent.yaml")


def test_load_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in complaints(file)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        (":0", ("127.0.0.1", 0)),
        ("[::1]:4317", ("::1", 4317)),
        ("localhost:1", ("localhost", 1)),
    ],
)
def test_split_address(text: str, expected: tuple[str, int]) -> None:
    assert split_address(text) == expected


@pytest.mark.parametrize("text", ["127.0.0.1", "x:", "x:-1", "x:65536", "x:y", ""])
def test_split_address_without_a_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        split_address(text)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("localhost.example.org", False),
    ],
)
def test_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


HOOK = "{{name: ops, url: 'https://x/y', secret_file: s{}}}"


@pytest.mark.parametrize(
    ("hook", "says"),
    [
        (HOOK.format(", url: ftp://x"), "is no address of a webhook"),
        ("{name: ops, url: 'https://x/y'}", "needs a secret_file"),
        (HOOK.format(", events: [budget_broken]"), "'budget_broken' is no type of event"),
        (HOOK.format(", name: a b"), "name"),
        (HOOK.format("") + ", " + HOOK.format(""), "two webhooks are called 'ops'"),
    ],
)
def test_load_wrong_webhook_is_refused(tmp_path: Path, hook: str, says: str) -> None:
    assert says in complaints(write(tmp_path, f"alerts:\n  webhooks: [{hook}]\n"))


def test_webhooks_come_with_their_secrets(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("shared\n")
    text = f"""
alerts:
  webhooks:
    - {{name: ops, url: "https://x/y", secret_file: {secret}, events: [budget_violation]}}
    - {{name: chat, url: "https://hooks/z", format: slack}}
"""
    config = load(write(tmp_path, text))
    ops, chat = webhooks(config)
    assert (ops.name, ops.secret, ops.events) == ("ops", b"shared", frozenset({"budget_violation"}))
    assert (chat.format, chat.secret) == ("slack", b"")
    secret.write_text(" \n")
    with pytest.raises(ValueError, match="has to hold a secret"):
        webhooks(config)
