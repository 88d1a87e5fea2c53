"""API keys: made here, shown once, stored as SHA-256 in a file of the data directory.

A key is `nrk_<8 hex>_<43 characters>`: the prefix up to the second underscore finds it and may be
shown, the rest is 256 random bits. Nothing slower than SHA-256 is needed against guessing those.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import threading
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from neurorail.collector.access.permissions import PERMISSIONS, ROLES, in_order
from neurorail.collector.access.principal import Principal, Scope
from neurorail.collector.envelope import DEFAULT_TENANT, is_tenant

KEYS_FILE: Final = "keys.json"
KEYS_MAX: Final = 10_000
MISSIONS_MAX: Final = 1_000
TAGS_MAX: Final = 20
SCHEME: Final = "nrk_"
KEY_PREFIX: Final = "key:"
"""What the names of keys' principals begin with."""
_ID_BYTES: Final = 4
_SECRET_BYTES: Final = 32
_MISSION: Final = re.compile(r"m_[A-Za-z0-9._-]{1,64}", re.ASCII)
_NAME_MAX: Final = 200


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """What a key to be made may do."""

    name: str = ""
    tenant: str = DEFAULT_TENANT
    role: str | None = None
    permissions: tuple[str, ...] = ()
    agent: bool = False
    missions: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    expires_unix_nano: int | None = None
    rate_per_s: int | None = None


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is stored: everything but the key."""

    id: str
    sha256: str
    name: str
    tenant: str
    role: str | None = None
    permissions: tuple[str, ...] = ()
    """Besides those of the role."""
    agent: bool = False
    missions: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    rate_per_s: int | None = None
    created_unix_nano: int
    created_by: str
    expires_unix_nano: int | None = None
    revoked_unix_nano: int | None = None
    last_used_unix_nano: int | None = None

    @property
    def prefix(self) -> str:
        """The part that may be shown."""
        return f"{SCHEME}{self.id}"

    @property
    def granted(self) -> frozenset[str]:
        """Every permission it has."""
        return frozenset((*ROLES.get(self.role or "", ()), *self.permissions))

    def principal(self) -> Principal:
        """Who sends a request with it."""
        limited = bool(self.missions or self.tags)
        scope = Scope(frozenset(self.missions), tuple(sorted(self.tags.items())))
        return Principal(
            name=f"{KEY_PREFIX}{self.id}",
            tenant=self.tenant,
            permissions=self.granted,
            role=self.role,
            agent=self.agent,
            scope=scope if limited else None,
            expires_unix_nano=self.expires_unix_nano,
            rate_per_s=self.rate_per_s,
        )


class _File(msgspec.Struct, kw_only=True):
    version: int = 1
    keys: list[ApiKey] = []


def checked(new: NewKey) -> NewKey:
    """A request for a key, with what does not fit together refused.

    Raises:
        ValueError: says what is wrong and how to mend it.
    """
    if new.role is not None and new.role not in ROLES:
        raise ValueError(f"role {new.role[:50]!r} is none of {', '.join(ROLES)}")
    for name in new.permissions:
        if name not in PERMISSIONS:
            raise ValueError(f"permission {name[:50]!r} is none of {', '.join(PERMISSIONS)}")
    if not is_tenant(new.tenant):
        raise ValueError(f"tenant {new.tenant[:80]!r} is not 1 to 64 of A-Z a-z 0-9 . _ -")
    if len(new.name) > _NAME_MAX:
        raise ValueError(f"name has {len(new.name)} characters: use at most {_NAME_MAX}")
    for mission in new.missions:
        if not _MISSION.fullmatch(mission):
            raise ValueError(f"mission {mission[:80]!r} is not a mission id: it begins with m_")
    if len(new.missions) > MISSIONS_MAX or len(new.tags) > TAGS_MAX:
        raise ValueError(f"a key names at most {MISSIONS_MAX} missions and {TAGS_MAX} tags")
    if new.rate_per_s is not None and new.rate_per_s < 1:
        raise ValueError(f"rate_per_s is {new.rate_per_s}: it must be at least 1")
    if new.agent and (new.role or new.permissions or new.missions or new.tags):
        raise ValueError(
            "an agent's key has no role, permissions, missions or tags: it sends telemetry and asks"
            " for decisions, of its own tenant"
        )
    if not (new.agent or new.role or new.permissions):
        raise ValueError("a key needs a role, permissions, or to be an agent's")
    return new


class KeyStore:
    """The keys of one data directory, in memory and in a file. Thread-safe."""

    def __init__(self, path: Path, clock: Callable[[], int]) -> None:
        """`clock` is Unix time in nanoseconds."""
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, ApiKey] = {}
        self._used: dict[str, int] = {}
        self._saved_unix_nano = 0

    def load(self) -> None:
        """Read the file anew; without one there are no keys.

        Raises:
            ValueError: the file does not hold what it should hold; what was known stays.
            OSError: it cannot be read.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            content = b"{}"
        try:
            read = msgspec.json.decode(content, type=_File)
        except msgspec.DecodeError as error:
            raise ValueError(f"{self._path}: {error}") from None
        if read.version != 1:
            raise ValueError(f"{self._path}: version {read.version} is not one this server knows")
        with self._lock:
            self._keys = {key.id: key for key in read.keys}

    @property
    def any(self) -> bool:
        """Whether a key was ever made: a server whose keys have all expired is not open."""
        return bool(self._keys)

    def all(self) -> list[ApiKey]:
        """Every key, oldest first, with its last use."""
        with self._lock:
            return [self._with_use(key) for key in self._keys.values()]

    def find(self, key_id: str) -> ApiKey | None:
        """One key by its id."""
        with self._lock:
            key = self._keys.get(key_id)
            return None if key is None else self._with_use(key)

    def match(self, text: str) -> ApiKey | None:
        """The key that a text is, revoked and expired ones included; None for any other text."""
        key = self._keys.get(text[len(SCHEME) : len(SCHEME) + 2 * _ID_BYTES])
        if key is None:
            return None
        digest = sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        return key if hmac.compare_digest(digest, key.sha256) else None

    def used(self, key_id: str, unix_nano: int) -> None:
        """Take note of a use; written with the next change or `save_uses`."""
        self._used[key_id] = unix_nano

    def create(self, new: NewKey, created_by: str) -> tuple[ApiKey, str]:
        """Make a key. Blocks on the disk.

        Returns:
            The key as it is stored, and the key itself, which nobody can be shown again.

        Raises:
            ValueError: it says two things that do not go together, or there are too many keys.
            OSError: it cannot be stored.
        """
        checked(new)
        with self._lock:
            if len(self._keys) >= KEYS_MAX:
                raise ValueError(f"there are {KEYS_MAX} keys: remove revoked ones from {KEYS_FILE}")
            key_id = secrets.token_hex(_ID_BYTES)
            while key_id in self._keys:
                key_id = secrets.token_hex(_ID_BYTES)
            text = f"{SCHEME}{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
            key = ApiKey(
                id=key_id,
                sha256=sha256(text.encode()).hexdigest(),
                name=new.name,
                tenant=new.tenant,
                role=new.role,
                permissions=tuple(in_order(set(new.permissions))),
                agent=new.agent,
                missions=new.missions,
                tags=new.tags,
                rate_per_s=new.rate_per_s,
                created_unix_nano=self._clock(),
                created_by=created_by,
                expires_unix_nano=new.expires_unix_nano,
            )
            self._write({**self._keys, key_id: key})
        return key, text

    def revoke(self, key_id: str) -> ApiKey | None:
        """Let a key be good for nothing from now on; None when there is none. Blocks on the disk.

        Revoking twice changes nothing.
        """
        with self._lock:
            key = self._keys.get(key_id)
            if key is None or key.revoked_unix_nano is not None:
                return key and self._with_use(key)
            revoked = msgspec.structs.replace(key, revoked_unix_nano=self._clock())
            self._write({**self._keys, key_id: revoked})
            return self._keys[key_id]

    def save_uses(self, every_s: float) -> None:
        """Write when keys were last used, if any were, this often. Blocks on the disk."""
        with self._lock:
            now = self._clock()
            if self._used and now - self._saved_unix_nano >= every_s * 1_000_000_000:
                self._saved_unix_nano = now
                self._write(self._keys)

    def _with_use(self, key: ApiKey) -> ApiKey:
        used = self._used.get(key.id)
        return key if used is None else msgspec.structs.replace(key, last_used_unix_nano=used)

    def _write(self, keys: dict[str, ApiKey]) -> None:
        settled = {key_id: self._with_use(key) for key_id, key in keys.items()}
        content = msgspec.json.format(msgspec.json.encode(_File(keys=list(settled.values()))))
        part = self._path.with_suffix(".part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, self._path)
        self._keys = settled
        self._used.clear()


def ids_of(keys: Sequence[ApiKey], id_or_prefix: str) -> list[str]:
    """The ids of keys that an id, or a shown prefix, names."""
    wanted = id_or_prefix.removeprefix(SCHEME).partition("_")[0]
    return [key.id for key in keys if wanted and key.id.startswith(wanted)]
