"""Requests and answers without any I/O: what both clients have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, TypeAlias, TypeVar
from urllib.parse import urlencode, urlsplit

from neurorail.client.errors import ClientError, problem

T_co = TypeVar("T_co", covariant=True)
Query: TypeAlias = Mapping[str, str | int | bool | Sequence[str] | None]
"""Parameters by name; None leaves one out, a list repeats it."""

JSON: Final = "application/json"


@dataclass(frozen=True)
class Call(Generic[T_co]):
    """One request, and the type of what it answers. `neurorail.client.calls` makes them."""

    method: str
    path: str
    query: Query = field(default_factory=dict)
    body: Any = None
    """What JSON can say, or bytes; None sends no body."""
    content_type: str = JSON
    idempotency_key: str = ""

    def once(self, idempotency_key: str) -> Call[T_co]:
        """The same under a key: sent again with it, it changes nothing and answers the same."""
        return replace(self, idempotency_key=idempotency_key)

    @property
    def target(self) -> str:
        """Path and query."""
        return with_query(self.path, self.query)

    @property
    def content(self) -> bytes | None:
        """The body as it is sent."""
        if self.body is None or isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body).encode()

    def headers(self, token: str | None) -> dict[str, str]:
        """The headers it is sent with."""
        found = {} if token is None else {"Authorization": f"Bearer {token}"}
        if self.body is not None:
            found["Content-Type"] = self.content_type
        if self.idempotency_key:
            found["Idempotency-Key"] = self.idempotency_key
        return found


def server_address(text: str) -> str:
    """The address of a server without a path.

    Raises:
        ValueError: if `text` is no http or https address.
    """
    parts = urlsplit(text if "//" in text else f"http://{text}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{text!r} is no server address: write http://HOST:PORT")
    return f"{parts.scheme}://{parts.netloc}"


def with_query(path: str, query: Query) -> str:
    """A path with its parameters."""
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        if value is None:
            continue
        if isinstance(value, bool):
            pairs.append((name, str(value).lower()))
        elif isinstance(value, str | int):
            pairs.append((name, str(value)))
        else:
            pairs += [(name, entry) for entry in value]
    return f"{path}?{urlencode(pairs)}" if pairs else path


def read_json(body: bytes) -> Any:
    """The JSON of an answer.

    Raises:
        ClientError: if it is none.
    """
    try:
        return json.loads(body)
    except ValueError:
        raise ClientError(f"the answer is no JSON: {body[:80]!r}") from None


def raise_for(status: int, reason: str, retry_after: str, body: bytes, server: str) -> None:
    """Raise the `Problem` that an answer of a server is, if it is one."""
    if status < 400:
        return
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    raise problem(status, reason, retry_after, said, server)
