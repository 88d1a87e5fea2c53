"""API keys: what is stored, what is refused, what survives."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from neurorail.collector.access import KeyStore, NewKey
from neurorail.collector.access.permissions import ROLES

NOW = 1_700_000_000_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    made = KeyStore(tmp_path / "keys.json", lambda: NOW)
    made.load()
    return made


def test_the_file_holds_no_key(store: KeyStore, tmp_path: Path) -> None:
    key, text = store.create(NewKey(role="viewer", name="grafana"), "command-line")
    content = (tmp_path / "keys.json").read_text()
    assert text not in content
    assert text.removeprefix(key.prefix) not in content
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600
    assert len(text.removeprefix(f"{key.prefix}_")) == 43  # 256 bits in base64url


def test_a_key_is_found_by_all_of_its_text(store: KeyStore) -> None:
    key, text = store.create(NewKey(role="viewer"), "command-line")
    assert store.match(text) == key
    for wrong in (
        text[:-1],
        text + "a",
        text[:-1] + chr(ord(text[-1]) ^ 1),
        key.prefix,
        "",
        "nrk_",
    ):
        assert store.match(wrong) is None


def test_keys_survive_a_restart(store: KeyStore, tmp_path: Path) -> None:
    key, text = store.create(
        NewKey(permissions=("write:audit", "read:audit"), tags={"team": "a"}, rate_per_s=5), "x"
    )
    store.used(key.id, NOW + 1)
    store.save_uses(0.0)
    again = KeyStore(tmp_path / "keys.json", lambda: NOW)
    again.load()
    found = again.match(text)
    assert found is not None
    assert found.last_used_unix_nano == NOW + 1
    assert found.permissions == ("read:audit", "write:audit")
    principal = found.principal()
    assert principal.scope is not None
    assert principal.scope.covers("m_1", {"team": "a", "other": "b"})
    assert not principal.scope.covers("m_1", {"team": "b"})
    assert principal.rate_per_s == 5


def test_revoking_stays(store: KeyStore, tmp_path: Path) -> None:
    key, text = store.create(NewKey(role="admin"), "x")
    revoked = store.revoke(key.id)
    assert revoked is not None
    assert revoked.revoked_unix_nano == NOW
    assert store.revoke(key.id) == revoked
    assert store.revoke("00000000") is None
    again = KeyStore(tmp_path / "keys.json", lambda: NOW)
    again.load()
    found = again.match(text)
    assert found is not None
    assert found.revoked_unix_nano == NOW
    assert again.any


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({}, "a key needs a role"),
        ({"role": "root"}, "role 'root' is none of admin"),
        ({"permissions": ("read:everything",)}, "permission 'read:everything' is none of"),
        ({"role": "viewer", "tenant": "a|b"}, "tenant 'a|b'"),
        ({"role": "viewer", "missions": ("j_1",)}, "'j_1' is not a mission id"),
        ({"role": "viewer", "rate_per_s": 0}, "rate_per_s is 0"),
        ({"role": "viewer", "name": "x" * 201}, "name has 201 characters"),
        ({"role": "viewer", "tags": {str(n): "" for n in range(21)}}, "at most"),
        ({"agent": True, "role": "viewer"}, "an agent's key has no role"),
        ({"agent": True, "missions": ("m_1",)}, "an agent's key has no role"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    store: KeyStore, wrong: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        store.create(NewKey(**wrong), "x")
    assert not store.any


@pytest.mark.parametrize("content", [b"{", b'{"version": 2}', b'{"keys": [{"id": 3}]}'])
def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "keys.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"keys\.json"):
        KeyStore(tmp_path / "keys.json", lambda: NOW).load()


def test_roles_have_thirteen_ten_and_four() -> None:
    assert {name: len(set(granted)) for name, granted in ROLES.items()} == {
        "admin": 13,
        "operator": 10,
        "viewer": 4,
    }
