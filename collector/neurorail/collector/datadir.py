"""The data directory: made for this user alone, locked by one server at a time."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

NODE_BYTES = 4
KEY_BYTES = 32


class DataDirectoryInUse(RuntimeError):
    """Another server holds the directory."""


class DataDirectory:
    """Holds the lock while it is open. Open and close are idempotent.

    Args:
        path: made, readable by this user alone, if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.node = ""
        """The name of this directory in event ids, made once."""
        self.redaction_key = b""
        """The secret under which content is hashed, made once."""
        self.session_key = b""
        """The secret under which sessions are signed, made once."""
        self._lock: int | None = None

    def open(self) -> None:
        """Take the lock and read, or make, what is made once.

        Raises:
            DataDirectoryInUse: another process holds the lock.
            OSError: the directory cannot be written.
        """
        if self._lock is not None:
            return
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = self._take_lock()
        self.node = self._once("node", secrets.token_hex(NODE_BYTES).encode()).decode()
        self.redaction_key = self._once("redaction.key", secrets.token_bytes(KEY_BYTES))
        self.session_key = self._once("session.key", secrets.token_bytes(KEY_BYTES))

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self) -> int:
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise DataDirectoryInUse(
                f"{self.path} is used by another neurorail server (process {holder}): stop it, "
                "or choose another --data-dir"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return descriptor

    def _once(self, name: str, value: bytes) -> bytes:
        """The content of a file that is written once, durably, with `value`."""
        path = self.path / name
        if path.exists():
            return path.read_bytes()
        part = self.path / f"{name}.part"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        return value
