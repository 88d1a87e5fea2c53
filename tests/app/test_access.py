"""What may be reached without credentials, and keys of a data directory that nobody uses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from neurorail.app import cli
from neurorail.app.access import ADMIN_KEY_VARIABLE, Exposed, check_exposure, make_gate
from neurorail.app.config_load import load
from neurorail.collector.access import Denial
from neurorail.collector.datadir import DataDirectory

ADMIN_KEY = "x" * 32


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.build(), list(arguments))
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("address", ["0.0.0.0:80", "192.168.1.2:80", "[::]:80", "example.org:80"])
@pytest.mark.parametrize("path", [("api",), ("otlp", "grpc"), ("otlp", "http")])
def test_an_address_beyond_loopback_needs_credentials(
    tmp_path: Path, address: str, path: tuple[str, ...]
) -> None:
    options: dict[str, object] = {"address": address}
    for part in reversed(path):
        options = {part: options}
    config = load(None, options)
    with pytest.raises(Exposed, match=r"NEURORAIL_ADMIN_KEY.*neurorail keys create --admin") as no:
        check_exposure(config, make_gate(tmp_path, "local", environment={}))
    assert f"{'.'.join((*path, 'address'))} {address!r}" in str(no.value)
    check_exposure(
        config, make_gate(tmp_path, "local", environment={ADMIN_KEY_VARIABLE: ADMIN_KEY})
    )


def test_serve_without_credentials_refuses_and_says_what_to_do(tmp_path: Path) -> None:
    status, _, said = run("serve", "--data-dir", str(tmp_path / "data"), "--api", "0.0.0.0:0")
    assert status == 2
    assert "no credentials are configured" in said
    assert f"neurorail keys create --admin --data-dir {tmp_path / 'data'}" in said


def test_a_short_admin_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADMIN_KEY_VARIABLE, "short")
    status, _, said = run("serve", "--data-dir", str(tmp_path / "data"))
    assert status != 0
    assert "has 5 characters: use at least 32" in said


def test_keys_without_a_server_are_those_it_will_find(tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path))
    status, shown, _ = run("keys", "create", "--admin", "--name", "first", *where)
    assert status == 0
    key = shown.strip()
    gate = make_gate(tmp_path, None, environment={})
    found = gate.identify(key)
    assert not isinstance(found, Denial)
    assert found.role == "admin"
    status, shown, _ = run("keys", "list", "--json", *where)
    assert [each["name"] for each in json.loads(shown)] == ["first"]
    assert key not in shown
    assert run("keys", "revoke", key, *where)[0] == 0
    gate.keys.load()
    denied = gate.identify(key)
    assert isinstance(denied, Denial)
    assert denied.reason == "revoked"
    assert "revoked" in run("keys", "list", *where)[1]


def test_keys_say_what_they_may(tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path), "--json")
    made = json.loads(
        run(
            "keys", "create", "--permission", "read:audit", "--tenant", "acme", "--mission", "m_1",
            "--tag", "team=a", "--expires", "90d", "--rate", "5", *where,
        )[1]
    )  # fmt: skip
    assert made["permissions"] == ["read:audit"]
    assert (made["tenant"], made["missions"], made["tags"]) == ("acme", ["m_1"], {"team": "a"})
    assert made["rate_per_s"] == 5
    assert made["expires_at"] > made["created_at"]
    agent = json.loads(run("keys", "create", "--agent", "--expires", "2100-01-01", *where)[1])
    assert agent["agent"] is True
    assert agent["expires_at"].startswith("2100-01-01")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "a key needs a role"),
        (("--role", "king"), "role 'king' is none of admin"),
        (("--agent", "--admin"), "an agent's key has no role"),
        (("--admin", "--expires", "soon"), "'soon' is no time: write 90d"),
        (("--admin", "--tag", "team"), "'team' is no tag: write KEY=VALUE"),
    ],
)
def test_a_key_that_makes_no_sense_is_wrong_use(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    status, shown, said = run("keys", "create", *arguments, "--data-dir", str(tmp_path))
    assert (status, shown) == (2, "")
    assert says in said


def test_revoking_what_is_not_there_is_status_1(tmp_path: Path) -> None:
    status, _, said = run("keys", "revoke", "nrk_12345678", "--data-dir", str(tmp_path))
    assert status == 1
    assert "no key with 'nrk_12345678'" in said


def test_a_directory_in_use_is_left_alone(tmp_path: Path) -> None:
    held = DataDirectory(tmp_path)
    held.open()
    try:
        status, _, said = run("keys", "create", "--admin", "--data-dir", str(tmp_path))
    finally:
        held.close()
    assert status == 2
    assert "is used by another neurorail server" in said
