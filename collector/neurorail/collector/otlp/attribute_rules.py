"""An operator's rules: which values are replaced by keyed hashes before anything is stored.

A rule names attributes (`deny_keys`: a name, or a beginning and `*`) or describes text wherever it
stands (`deny_patterns`: regular expressions). The value under a name is replaced as a whole, of
other text only the part that matches. Rules hold for every string of OTLP requests and, by
`record_rules`, of JSON records.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from neurorail.collector.otlp.redact import MARK

_HASH_CHARS: Final = 32
_MARKED: Final = re.compile(re.escape(MARK) + r"[0-9a-f]{32}:[0-9]+")
_LOOKS_AROUND: Final = re.compile(r"(?<!\[)\^|\$|\\[bBAZz]|\(\?[<=!>]|[+*?}]\+")
"""Parts of a pattern whose match depends on what stands before or after the text."""
FROM_JSON: Final = msgspec.json.Decoder(float_hook=Decimal)
TO_JSON: Final = msgspec.json.Encoder(decimal_format="number")


class AttributeRules:
    """Names and patterns of what is not stored.

    Args:
        deny_keys: names of attributes and of JSON members; `*` at the end stands for any rest.
        deny_patterns: regular expressions of Python.
        key: the secret of the hashes.

    Raises:
        ValueError: a pattern is none, or matches the empty text.
    """

    def __init__(self, deny_keys: Sequence[str], deny_patterns: Sequence[str], key: bytes) -> None:
        self._hmac = hmac.new(key, digestmod=hashlib.sha256)
        names = [
            re.escape(each[:-1]) + ".*" if each.endswith("*") else re.escape(each)
            for each in deny_keys
        ]
        self._keys = re.compile("|".join(names), re.DOTALL) if names else None
        self._patterns = _any_of(deny_patterns)
        # In a request or a record, a name begins with what stands before the asterisk.
        hints = [re.escape(each.removesuffix("*")) for each in deny_keys]
        texts = [f"(?:{each})" for each in deny_patterns]
        self._hint = re.compile("|".join((*hints, *texts))) if hints or texts else None
        # In a request other bytes stand around a text: such a pattern is tried on each text alone.
        self._unsure = any(_LOOKS_AROUND.search(each) for each in deny_patterns)

    def may_concern(self, body: bytes) -> bool:
        """Whether a body might hold something that is denied. False is certain, True is not."""
        if self._unsure or self._hint is None:
            return self._unsure
        return bool(self._hint.search(body.decode("utf-8", "replace")))

    def apply(self, message: Message) -> int:
        """Replace what is denied in a protobuf message; how many values."""
        count = 0
        denied = self.denies(getattr(message, "key", None))
        for field, value in message.ListFields():
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                if denied and field.name == "value":
                    count += self._replace(value)
                    continue
                for part in value if field.is_repeated else (value,):
                    count += self.apply(part)
            elif field.type == FieldDescriptor.TYPE_STRING:
                count += self._apply_text(message, field, value)
            elif field.name == "bytes_value" and self._matches(value):
                message.string_value = self._mark(value)  # type: ignore[attr-defined]
                count += 1
        return count

    def _replace(self, value: Any) -> int:
        """Replace a whole value; 0 if it is empty or a hash already."""
        content = _content_of(value)
        if not content or _MARKED.fullmatch(value.string_value):
            return 0
        value.Clear()
        value.string_value = self._mark(content)
        return 1

    def _apply_text(self, message: Message, field: FieldDescriptor, value: Any) -> int:
        texts = list(value) if field.is_repeated else [value]
        replaced = [self.text(text) for text in texts]
        if replaced == texts:
            return 0
        if field.is_repeated:
            value[:] = replaced
        else:
            setattr(message, field.name, replaced[0])
        return sum(was != now for was, now in zip(texts, replaced, strict=True))

    def json(self, value: Any) -> Any:
        """A JSON value without what is denied, by its name or its text."""
        return self._json(value, self.denies)

    def texts(self, value: Any) -> Any:
        """A JSON value without what the patterns deny; names do not count."""
        return self._json(value, lambda _: False)

    def _json(self, value: Any, denies: Callable[[str], bool]) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._json(part, denies) for part in value]
        if isinstance(value, dict):
            return {
                self.text(name): self.hidden(part) if denies(name) else self._json(part, denies)
                for name, part in value.items()
            }
        return value

    def hidden(self, value: Any) -> Any:
        """The hash of a JSON value; what is empty or a hash already stays."""
        if value in (None, "") or (isinstance(value, str) and _MARKED.fullmatch(value)):
            return value
        return self._mark(TO_JSON.encode(value))

    def denies(self, name: object) -> bool:
        """Whether the value under a name is denied."""
        return (
            self._keys is not None
            and isinstance(name, str)
            and self._keys.fullmatch(name) is not None
        )

    def text(self, text: str) -> str:
        """A text without what the patterns match in it."""
        if self._patterns is None or _MARKED.fullmatch(text):
            return text
        return self._patterns.sub(lambda found: self._mark(found.group().encode()), text)

    def line_denied(self, text: str) -> int | None:
        """The first line of a text in which a pattern matches, counted from 1."""
        found = None if self._patterns is None else self._patterns.search(text)
        return None if found is None else text.count("\n", 0, found.start()) + 1

    def _matches(self, value: bytes) -> bool:
        text = value.decode("utf-8", "replace")
        return self._patterns is not None and self._patterns.search(text) is not None

    def _mark(self, content: bytes) -> str:
        keyed = self._hmac.copy()
        keyed.update(content)
        return f"{MARK}{keyed.hexdigest()[:_HASH_CHARS]}:{len(content)}"


def _content_of(value: Any) -> bytes:
    if value.WhichOneof("value") == "string_value":
        text: str = value.string_value
        return text.encode()
    data: bytes = value.SerializeToString(deterministic=True)
    return data


def _any_of(patterns: Sequence[str]) -> re.Pattern[str] | None:
    for each in patterns:
        try:
            empty = re.compile(f"(?:{each})").search("")
        except re.error as error:
            raise ValueError(f"{each!r} is no regular expression: {error}") from None
        if empty is not None:
            raise ValueError(f"{each!r} matches the empty text: let it match something")
    return re.compile("|".join(f"(?:{each})" for each in patterns)) if patterns else None
