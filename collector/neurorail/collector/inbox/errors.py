"""What can go wrong with an inbox.

* InboxError
  x InboxFull       nothing was stored; try again later
  x InboxClosed     not started, stopping or stopped
  x InboxFailed     the disk refused a commit for another reason than being full
  x InboxCorrupt    a file cannot be read, or records are missing
  x InboxPruned     the records asked for were pruned
"""

from __future__ import annotations


class InboxError(Exception):
    """Root of all inbox errors."""


class InboxFull(InboxError):
    """A limit on memory or disk is reached; nothing was stored and a later retry may succeed."""


class InboxClosed(InboxError):
    """The inbox is not running."""


class InboxFailed(InboxError):
    """A commit failed; whether the records are durable is unknown and the inbox takes no more."""


class InboxCorrupt(InboxError):
    """A file of the inbox cannot be opened or does not hold the records it should hold."""


class InboxPruned(InboxError):
    """A reader asked for records that were already pruned."""
