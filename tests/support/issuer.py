"""A provider of tokens in memory: its keys, and what it signs."""

from __future__ import annotations

import json
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from neurorail.collector.access import Provider, Tokens

NOW_S = 1_700_000_000
ISSUER = "https://idp.example"
RSA = RSAKey.generate_key(2048, {"kid": "r1"})
EC = ECKey.generate_key("P-256", {"kid": "e1"})


class Issuer:
    """A provider: its keys, and how often they were asked for."""

    def __init__(self, *keys: Any) -> None:
        self.keys = list(keys)
        self.asked: list[str] = []
        self.now_s = 0.0
        self.down = False

    def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if self.down:
            raise OSError("nobody answers")
        if url.endswith("openid-configuration"):
            return json.dumps({"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}).encode()
        return json.dumps(KeySet(self.keys).as_dict(private=False)).encode()

    def tokens(self, **more: Any) -> Tokens:
        provider = Provider(ISSUER, "neurorail", **more)
        return Tokens(provider, lambda: self.now_s, self.fetch)


def token(key: Any = RSA, alg: str = "RS256", kid: str | None = None, **claims: Any) -> str:
    content = {
        "iss": ISSUER, "aud": "neurorail", "sub": "ann", "exp": NOW_S + 60, "roles": ["viewer"],
    } | claims  # fmt: skip
    content = {name: value for name, value in content.items() if value is not None}
    header = {"alg": alg, "kid": kid or key.kid or "?"}
    return jwt.encode(header, content, key, algorithms=[alg])
