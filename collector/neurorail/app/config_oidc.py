"""The settings of an OpenID Connect provider."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from neurorail.app.config_section import Section
from neurorail.collector.access.login import Client
from neurorail.collector.access.tokens import Provider


class LoginSection(Section):
    """Signing in to ControlDeck by redirect: authorization code with PKCE."""

    client_id: str | None = None
    """This server's name at the provider; none: people sign in with keys and tokens alone."""
    client_secret_file: Path | None = None
    """Holds the client's secret; none: a public client, which PKCE protects."""
    redirect_uri: str | None = None
    """Exactly as registered: https://HOST/api/neurorail/v1/session/oidc/callback."""
    scopes: tuple[str, ...] = ("openid",)
    """What is asked for; `openid` among it."""
    name: str | None = None
    """What the button calls the provider; none: the issuer's host."""
    session_s: int = Field(default=43_200, ge=60, le=7 * 86_400)
    """How long a session lasts, whatever happens at the provider meanwhile."""
    post_logout_uri: str | None = None
    """Registered address to come back to after signing out; none: only the session here ends."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.client_id is None) != (self.redirect_uri is None):
            raise ValueError("give client_id and redirect_uri together")
        self.client(None)
        return self

    def client(self, secret: str | None) -> Client | None:
        """How this server is known to the provider; None if it is not.

        Raises:
            ValueError: an address or the scopes are wrong.
        """
        if self.client_id is None or self.redirect_uri is None:
            return None
        return Client(
            self.client_id,
            self.redirect_uri,
            secret,
            self.scopes,
            self.name,
            self.session_s,
            self.post_logout_uri,
        )

    def secret(self) -> str | None:
        """The client's secret; None without one.

        Raises:
            OSError: it cannot be read.
            ValueError: the file is empty.
        """
        if self.client_secret_file is None:
            return None
        secret = self.client_secret_file.read_text(encoding="utf-8").strip()
        if not secret:
            raise ValueError(f"{self.client_secret_file} is empty: it has to hold a secret")
        return secret


class OidcSection(Section):
    """An OpenID Connect provider whose tokens are believed."""

    issuer: str | None = None
    """Its address, as `iss` in the tokens has it; none: no tokens."""
    audience: str | None = None
    """What `aud` has to name."""
    jwks_url: str | None = None
    """Where its keys are; none: what ISSUER/.well-known/openid-configuration says."""
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    """Signatures that are believed; none of them with a shared secret."""
    role_claim: str = "roles"
    """Claim with roles, a text or a list; dots lead into objects."""
    roles: dict[str, str] = Field(
        default_factory=lambda: {"admin": "admin", "operator": "operator", "viewer": "viewer"}
    )
    """Value of the claim: role."""
    tenant_claim: str | None = None
    """Claim with the tenant; none: everybody is of the tenant `default`."""
    login: LoginSection = LoginSection()
    """Signing in to ControlDeck at the provider, by redirect."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.issuer is None) != (self.audience is None):
            raise ValueError("give issuer and audience together")
        if self.issuer is None and self.login.client_id is not None:
            raise ValueError("login needs issuer and audience")
        self.provider()
        return self

    def provider(self) -> Provider | None:
        """The provider; None without one.

        Raises:
            ValueError: an address, algorithm or role is none.
        """
        if self.issuer is None or self.audience is None:
            return None
        return Provider(
            self.issuer,
            self.audience,
            self.jwks_url,
            self.algorithms,
            self.role_claim,
            self.roles,
            self.tenant_claim,
        )
