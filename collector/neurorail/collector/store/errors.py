"""What can go wrong with the store, and whether trying again can help.

```
StoreError
├── StoreUnavailable   the engine cannot be reached or is overloaded: try again
├── StoreBusy          too many reads wait already: try again
├── StoreRefused       the engine understood and refuses for good (bad data, bad SQL)
├── StoreLocked        another process has the embedded directory open
└── MigrationError     a migration that was applied has changed, or is newer than this release
```
"""

from __future__ import annotations


class StoreError(Exception):
    """Base of all errors of the store."""


class StoreUnavailable(StoreError):
    """The engine cannot be reached, is starting, or is overloaded; trying again can help."""


class StoreBusy(StoreError):
    """More reads wait than are allowed; trying again can help."""


class StoreRefused(StoreError):
    """The engine refuses the statement or the data for good.

    Attributes:
        code: ClickHouse's error number, 0 when unknown.
    """

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class StoreLocked(StoreError):
    """The embedded directory is open in another process."""


class MigrationError(StoreError):
    """The store's schema is not one that this release can work with."""
