"""The memory of answers to requests that may be sent again: an hour, bounded, and no file."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from neurorail.api.encoding import JsonResponse

ANSWERS_MAX: Final = 1_000
"""The oldest answer is forgotten when there are more."""
KEPT_NS: Final = 3_600 * 1_000_000_000
Asked = tuple[str, str, str, str]
"""Tenant, principal, endpoint and key."""


@dataclass(slots=True)
class Answer:
    """One request, and what was said to it."""

    digest: bytes
    unix_nano: int
    response: JsonResponse | None = None
    """None while the request is under way."""


class Answers:
    """What was answered lately. Used on the event loop."""

    def __init__(self) -> None:
        self._known: OrderedDict[Asked, Answer] = OrderedDict()
        self.forgotten = 0
        """Answers that were forgotten within their hour, because there were too many."""

    def __len__(self) -> int:
        return len(self._known)

    def find(self, asked: Asked, now_unix_nano: int) -> Answer | None:
        """The answer to a request, if it is still known."""
        while self._known:
            oldest = next(iter(self._known.values()))
            if now_unix_nano - oldest.unix_nano < KEPT_NS:
                break
            self._known.popitem(last=False)
        return self._known.get(asked)

    def begin(self, asked: Asked, digest: bytes, now_unix_nano: int) -> Answer:
        """Take note that a request is under way."""
        answer = self._known[asked] = Answer(digest, now_unix_nano)
        if len(self._known) > ANSWERS_MAX:
            self._known.popitem(last=False)
            self.forgotten += 1
        return answer

    def forget(self, asked: Asked) -> None:
        """Nothing came of a request: it may be tried again."""
        self._known.pop(asked, None)
