"""The inbox: what arrives becomes durable and ordered here before anybody is answered."""

from neurorail.collector.inbox.config import InboxConfig
from neurorail.collector.inbox.errors import (
    InboxClosed,
    InboxCorrupt,
    InboxError,
    InboxFailed,
    InboxFull,
    InboxPruned,
)
from neurorail.collector.inbox.protocol import Inbox
from neurorail.collector.inbox.sqlite import InboxStats, SqliteInbox

__all__ = [
    "Inbox",
    "InboxClosed",
    "InboxConfig",
    "InboxCorrupt",
    "InboxError",
    "InboxFailed",
    "InboxFull",
    "InboxPruned",
    "InboxStats",
    "SqliteInbox",
]
