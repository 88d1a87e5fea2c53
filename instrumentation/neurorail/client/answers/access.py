"""Keys, sessions and streams."""

from __future__ import annotations

from neurorail.client.answers.common import TypedDict


class Authorization(TypedDict):
    """Whether a role has permissions."""

    allowed: bool
    user_id: str
    role: str
    required_permissions: list[str]
    granted_permissions: list[str]
    missing_permissions: list[str]


class RolePermissions(TypedDict):
    """The permissions of a role."""

    role: str
    permissions: list[str]


class WhoAmI(TypedDict):
    """Whose credential this is."""

    principal: str
    tenant: str
    role: str | None
    agent: bool
    permissions: list[str]
    expires_at: str | None


class Key(TypedDict):
    """An API key, without itself."""

    key_id: str
    prefix: str
    name: str
    tenant: str
    role: str | None
    permissions: list[str]
    agent: bool
    missions: list[str]
    tags: dict[str, str]
    rate_per_s: int | None
    created_at: str | None
    created_by: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class NewKey(Key):
    """An API key that was made; `key` is shown this once."""

    key: str


class Keys(TypedDict):
    """The keys of a tenant, oldest first."""

    keys: list[Key]


class Session(TypedDict):
    """A browser's session."""

    principal: str
    tenant: str
    role: str | None
    permissions: list[str]
    csrf_token: str
    expires_at: str | None


class SessionEnded(TypedDict):
    """A browser's session ended."""

    ended: bool
    logout_url: str | None
    """Where the browser signs out of the identity provider too."""


class SignInProvider(TypedDict):
    """A provider that people sign in at."""

    name: str


class SignInMethods(TypedDict):
    """How people sign in."""

    key: bool
    oidc: SignInProvider | None


class Ticket(TypedDict):
    """What opens a stream where no header can be sent."""

    ticket: str
    expires_at: str | None


class StreamStats(TypedDict):
    """The streams at this moment."""

    total_events_published: int
    total_subscribers: int
    subscribers_by_channel: dict[str, int]
    buffer_sizes: dict[str, int]
    buffer_bytes: int
    events_evicted: int
    events_missed: int
    subscribers_refused: int
