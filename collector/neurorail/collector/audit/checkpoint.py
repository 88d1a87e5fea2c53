"""Checkpoints: signed statements about where the chain stood, kept outside the database.

Each covers the events after the one before it: their number, the Merkle root of their hashes, and
the chain's hash after the last. `anchors.jsonl` holds one statement a line. Whoever replaces rows
of the database, even all of them, cannot make them fit without the key.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEY_FILE: Final = "audit.key"
NEXT_KEY_FILE: Final = "audit.key.next"
ANCHORS_FILE: Final = "anchors.jsonl"
Place: TypeAlias = tuple[int, int, int]
"""Epoch, record sequence and index of an event."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, tag="checkpoint", tag_field="kind"):
    """Where the chain of a node stood. Hashes, keys and signatures are hex."""

    version: Literal[1] = 1
    node: str
    first: Place
    """The first event that it covers."""
    last: Place
    count: int
    """Events that it covers."""
    total: int
    """Events of the chain up to and with the last."""
    root: str
    """Merkle root (RFC 6962) of the hashes of the events, in their order."""
    prev_head: str
    """The chain's hash before the first."""
    head: str
    """The chain's hash after the last."""
    time_unix_nano: int
    public_key: str
    signature: str = ""

    def statement(self) -> bytes:
        """The bytes that are signed: a compact JSON array."""
        return msgspec.json.encode(
            [
                "neurorail-checkpoint", self.version, self.node, self.first, self.last, self.count,
                self.total, self.root, self.prev_head, self.head, self.time_unix_nano,
                self.public_key,
            ]
        )  # fmt: skip


class Rotation(msgspec.Struct, frozen=True, kw_only=True, tag="rotation", tag_field="kind"):
    """From here on another key signs; the old one says so."""

    version: Literal[1] = 1
    node: str
    new_public_key: str
    time_unix_nano: int
    public_key: str
    signature: str = ""

    def statement(self) -> bytes:
        """The bytes that are signed: a compact JSON array."""
        return msgspec.json.encode(
            [
                "neurorail-key-rotation", self.version, self.node, self.new_public_key,
                self.time_unix_nano, self.public_key,
            ]
        )  # fmt: skip


class Tombstone(msgspec.Struct, frozen=True, kw_only=True, tag="tombstone", tag_field="kind"):
    """The events up to a checkpoint were verified and removed: the chain goes on from its hash."""

    version: Literal[1] = 1
    node: str
    last: Place
    """The last event that was removed."""
    total: int
    head: str
    time_unix_nano: int
    public_key: str
    signature: str = ""

    def statement(self) -> bytes:
        """The bytes that are signed: a compact JSON array."""
        return msgspec.json.encode(
            [
                "neurorail-tombstone", self.version, self.node, self.last, self.total, self.head,
                self.time_unix_nano, self.public_key,
            ]
        )  # fmt: skip


Statement: TypeAlias = Checkpoint | Rotation | Tombstone
_DECODER: Final[msgspec.json.Decoder[Statement]] = msgspec.json.Decoder(
    Checkpoint | Rotation | Tombstone
)


class Signer:
    """Signs with the key of a data directory."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def of(cls, directory: Path, statements: Sequence[Statement] = ()) -> Signer:
        """The signer of a directory; its key is made when there is none.

        Args:
            directory: where the key is.
            statements: what was signed so far: a rotation that a crash cut short is completed.

        Raises:
            OSError: the key cannot be read or made.
            ValueError: the file holds no key.
        """
        path, following = directory / KEY_FILE, directory / NEXT_KEY_FILE
        if following.exists():
            following_key = cls(Ed25519PrivateKey.from_private_bytes(following.read_bytes()))
            last = statements[-1] if statements else None
            if isinstance(last, Rotation) and last.new_public_key == following_key.public_key:
                following.replace(path)
            else:
                following.unlink()
        if not path.exists():
            cls.store(Ed25519PrivateKey.generate(), path)
        return cls(Ed25519PrivateKey.from_private_bytes(path.read_bytes()))

    @staticmethod
    def store(key: Ed25519PrivateKey, path: Path) -> None:
        """Write a key in place of the one that is there."""
        _write(path, key.private_bytes_raw())

    @property
    def public_key(self) -> str:
        """The public key in hex."""
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    def sign(self, statement: Statement) -> Any:
        """The statement with its signature."""
        signature = self._key.sign(statement.statement()).hex()
        return msgspec.structs.replace(statement, signature=signature)


def is_signed(statement: Statement) -> bool:
    """Whether the signature is that of the key that the statement names."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(statement.public_key))
        key.verify(bytes.fromhex(statement.signature), statement.statement())
    except (InvalidSignature, ValueError):
        return False
    return True


class Anchors:
    """The file of statements, oldest first."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Statement]:
        """Every statement; none without a file.

        Raises:
            ValueError: a line is no statement; says which. A last line that was cut off is none.
            OSError: the file cannot be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        return read_statements(content[: content.rfind(b"\n") + 1].splitlines(), str(self.path))

    def append(self, statement: Statement) -> None:
        """Add a statement, durably."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            content = file.read()
            file.seek(content.rfind(b"\n") + 1)  # Over a line that a crash cut off.
            file.truncate()
            file.write(msgspec.json.encode(statement) + b"\n")
            file.flush()
            os.fsync(file.fileno())


def read_statements(lines: Iterable[bytes], name: str) -> list[Statement]:
    """Statements from lines of JSON.

    Raises:
        ValueError: a line is none; says which.
    """
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(_DECODER.decode(line))
        except msgspec.DecodeError as error:
            raise ValueError(f"{name}:{number}: no statement about the chain: {error}") from None
    return found


def faults_of(statements: Sequence[Statement], pinned_key: str | None = None) -> list[str]:
    """What is wrong with statements by themselves: signatures, keys, gaps.

    Args:
        statements: of one node, oldest first.
        pinned_key: the first key, known from elsewhere; without it the first one is believed.
    """
    faults: list[str] = []
    key, head, total = pinned_key, None, None
    signed: set[tuple[str, int]] = set()
    for place, statement in enumerate(statements, 1):
        named = f"statement {place}"
        key = key or statement.public_key
        if statement.public_key != key:
            faults.append(f"{named} is signed with another key than the one before it")
        elif not is_signed(statement):
            faults.append(f"{named} has a wrong signature")
        if isinstance(statement, Rotation):
            key = statement.new_public_key
            continue
        if isinstance(statement, Tombstone):
            if (statement.head, statement.total) not in signed:
                faults.append(f"{named} removes up to an event that no checkpoint before it signed")
            continue
        if head is not None and (statement.prev_head, statement.total - statement.count) != (
            head,
            total,
        ):
            faults.append(f"{named} does not continue the one before it")
        head, total = statement.head, statement.total
        signed.add((head, total))
    return faults


def public_key_of(directory: Path) -> str | None:
    """The public key (hex) of a data directory; None before one was made.

    Raises:
        ValueError: the file holds no key.
        OSError: it cannot be read.
    """
    try:
        key = (directory / KEY_FILE).read_bytes()
    except FileNotFoundError:
        return None
    return Signer(Ed25519PrivateKey.from_private_bytes(key)).public_key


def newest_key(statements: Sequence[Statement]) -> str:
    """The key (hex) that signs after the last of some statements."""
    last = statements[-1]
    return last.new_public_key if isinstance(last, Rotation) else last.public_key


def key_id(public_key: str) -> str:
    """A short name of a key."""
    return sha256(bytes.fromhex(public_key)).hexdigest()[:16]


def _write(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
