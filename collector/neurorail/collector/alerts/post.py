"""One request to a webhook. Blocks; no redirect is followed."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any, Final

_ANSWER_BYTES_MAX: Final = 200
_AGAIN: Final = frozenset({408, 425, 429})
"""Client errors that trying again can mend."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook said."""

    status: int
    """0 when there was no answer."""
    error: str = ""
    retry_after_s: float | None = None

    @property
    def taken(self) -> bool:
        """Whether the message has arrived."""
        return 200 <= self.status < 300

    @property
    def final(self) -> bool:
        """Whether sending it again cannot help."""
        return 300 <= self.status < 500 and self.status not in _AGAIN


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A webhook that moved is an error: signed messages go where they are configured to go."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message[str, str],
        newurl: str,
    ) -> None:
        """Follow nothing."""


_opener: Final = urllib.request.build_opener(_NoRedirect)


def post(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Answer:
    """Send a body; the answer, whatever it is."""
    request = urllib.request.Request(url, body, dict(headers), method="POST")
    try:
        with _opener.open(request, timeout=timeout_s) as response:
            return Answer(response.status)
    except urllib.error.HTTPError as error:
        with error:
            text = error.read(_ANSWER_BYTES_MAX).decode("utf-8", "replace").strip()
            return Answer(error.code, text or str(error.reason), _seconds(error.headers))
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        return Answer(0, f"{type(error).__name__}: {reason}")


def _seconds(headers: Any) -> float | None:
    text = (headers or {}).get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None
